# Read by the other scripts: which role this pod has, and what they share.
#
# The role comes from the pod's own labels and annotations by the downward API. The webhook wrote it when the pod was made, and it cannot change while
# the pod lives. Nothing here guesses: a pod that was told nothing does nothing.
set -eu

say() { printf '%s\n' "$1" >&2; }

# Says what is wrong, then what to do, and ends.
refuse() {
  printf 'refused: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

case "${STATEWARD_ROLE-}/${STATEWARD_WRITE-}" in
manager/allow) role=manager ;;
worker/deny) role=worker ;;
/) refuse 'this pod has no role' \
  'is `stateward.dev/writes: manager-only` on the StatefulSet, and the webhook there? `stateward doctor` says; then let the pod be made anew' ;;
*) refuse "role \`${STATEWARD_ROLE-}\` with write \`${STATEWARD_WRITE-}\` is neither a manager nor a worker" 'let the pod be made anew' ;;
esac

run=/var/run/postgresql # sockets and the password file; shared by the pod's containers, gone with the pod
config=$(dirname "$0")
passwords=/passwords
set_name=${POD_NAME%-*}
ordinal=${POD_NAME##*-}
manager=$STATEWARD_MANAGER_HOST
members=${manager#*.} # the governing Service: all members, ready or not
slot=$(printf '%s' "$POD_NAME" | tr - _)

# Connects to a member as the account that follows; more of libpq's words may follow.
as_replicator() { printf 'host=%s user=replicator passfile=%s/pgpass application_name=%s connect_timeout=5' "$1" "$run" "$slot"; }

# A line of libpq's password file, for every host. A colon or a backslash in a password is escaped there.
write_passfile() {
  (
    umask 077
    printf '*:*:*:replicator:%s\n' "$(sed 's/[\\:]/\\&/g' "$passwords/replication")" >"$run/pgpass.new"
    mv "$run/pgpass.new" "$run/pgpass"
  )
}

# Asks the database in this pod.
here() { psql --no-psqlrc -qAt -v ON_ERROR_STOP=1 -h "$run" -U postgres -d postgres "$@"; }

# Asks another member: $1 is where, $2 what.
ask() { psql --no-psqlrc -qAt -v ON_ERROR_STOP=1 -d "$(as_replicator "$1") dbname=postgres" -c "$2"; }

# A line of what the volume says about itself, without the database.
control() { LC_ALL=C pg_controldata -D "$PGDATA" | sed -n "s/^$1: *//p"; }

# The manager keeps what a worker has not received yet, up to max_slot_wal_keep_size.
ensure_slot() {
  ask "$manager" "select pg_create_physical_replication_slot('$slot', true)
    where not exists (select from pg_replication_slots where slot_name = '$slot')" >/dev/null
}
