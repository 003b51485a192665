#!/bin/sh
# The sidecar: sees to it that this worker can follow its manager, and says whenever that changes. On the manager it says who follows.
. "$(dirname "$0")/role.sh"

trap 'exit 0' INT TERM
last=
while :; do
  case "$role" in
  worker)
    # A manager that was rebuilt knows no slots: those are not copied.
    ensure_slot 2>/dev/null || true
    now=$(here -c "select 'following ' || sender_host || ', ' || status || ', timeline ' || received_tli from pg_stat_wal_receiver" 2>&1) || now="asking the database fails: $now"
    now=${now:-"NOT following: no connection to $manager"}
    ;;
  manager)
    now=$(here -c "select coalesce(string_agg(slot_name || case when active then ' follows' else ' is AWAY' end, ', ' order by slot_name), 'nobody follows')
      from pg_replication_slots where slot_type = 'physical'" 2>&1) || now="asking the database fails: $now"
    ;;
  esac
  [ "$now" = "$last" ] || say "$now"
  last=$now
  # In the background, so that a signal is answered at once.
  sleep 5 &
  wait $!
done
