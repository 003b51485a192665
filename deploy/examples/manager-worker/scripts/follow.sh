#!/bin/sh
# The sidecar: sees to it that this worker can follow its manager, and says whenever that changes. On the manager it says who follows.
# On both it says when the volume fills up: a database whose log has no room stops.
. "$(dirname "$0")/role.sh"

main() {
  trap 'exit 0' INT TERM
  last=
  while :; do
    now=$("look_as_$role" 2>&1) || now="asking the database fails: $(printf '%s\n' "$now" | head -n 1)"
    now=$now$(fullness)
    [ "$now" = "$last" ] || say "$now"
    last=$now
    # In the background, so that a signal is answered at once.
    sleep 5 &
    wait $!
  done
}

look_as_worker() {
  # A manager that was rebuilt knows no slots: those are not copied.
  ensure_slot 2>/dev/null || true
  found=$(here -c "select 'following ' || sender_host || ', ' || status || ', timeline ' || received_tli from pg_stat_wal_receiver where sender_host is not null")
  printf '%s' "${found:-NOT following: no connection to $manager}"
}

look_as_manager() {
  here -c "select coalesce(string_agg(slot_name || case when active then ' follows' else ' is AWAY' end, ', ' order by slot_name), 'nobody follows')
    from pg_replication_slots where slot_type = 'physical'"
}

# Nothing below 80 %; then in steps of 5, so that it is not said anew for every page.
fullness() {
  df -P /var/lib/postgresql/data | awk 'NR == 2 { used = int($5 / 5) * 5; if (used >= 80) printf "; the volume is %d %% FULL", used }'
}

main
