#!/bin/sh
# The database itself. Its container may be restarted without the init container, so what matters is looked at again.
. "$(dirname "$0")/role.sh"

[ -s "$PGDATA/PG_VERSION" ] || refuse 'the volume has no database' 'the init container `clone` makes it; let the pod be made anew'
# Where a kubelet applies `fsGroup` anew, the group may write here, and PostgreSQL does not start.
chmod 0700 "$PGDATA"
set -- -D "$PGDATA" -c "config_file=$config/postgresql.conf" -c "hba_file=$config/pg_hba.conf" -c "cluster_name=$POD_NAME"
case "$role" in
manager)
  [ ! -e "$PGDATA/standby.signal" ] || refuse 'this is the manager, and the volume was a worker'"'"'s' 'let the pod be made anew: `clone` says more'
  ;;
worker)
  [ -e "$PGDATA/standby.signal" ] || refuse 'this is a worker, and its database would start as a writer' 'let the pod be made anew: `clone` says more'
  # By name: it is looked up at each attempt, so a manager on another node is found again.
  set -- "$@" -c "primary_conninfo=$(as_replicator "$manager")" -c "primary_slot_name=$slot"
  ;;
esac
exec postgres "$@"
