#!/bin/sh
# The init container: gives the volume what its member's role asks for, or refuses. It is tried again by Kubernetes until it ends well.
#
#              volume is empty                          volume has a database
#   manager    does what you say in ConfigMap           goes on, unless it was a worker's or a worker is ahead of it
#              `ledger-begin`, and nothing unasked
#   worker     clones the member before it              goes on, unless it was a manager's or of another database
. "$(dirname "$0")/role.sh"

main() {
  volume=$(dirname "$PGDATA")
  write_passfile
  rm -rf "$PGDATA.part" # a copy that was cut short
  if [ -s "$PGDATA/PG_VERSION" ]; then
    "resume_$role"
  else
    other=$(find "$volume" -mindepth 1 -maxdepth 1 ! -name lost+found)
    [ -z "$other" ] || refuse "the volume has no database and is not empty: $other" 'restore into a volume of its own, or empty this one'
    "begin_$role"
  fi
}

# An empty volume may be a new one or a lost one; only a person knows.
begin_manager() {
  case "${BEGIN_FROM-}" in
  nothing) begin_from_nothing ;;
  "$set_name"-*) begin_from_worker "$BEGIN_FROM" ;;
  *)
    refuse "the manager's volume is empty, and ConfigMap \`ledger-begin\` does not say what to begin from" \
      'README.md, "Bootstrap", if this is a new database; "The manager'"'"'s volume is lost" if it is not'
    ;;
  esac
}

begin_from_nothing() {
  wait_until_listed
  # At a first start it is alone: workers come after the manager is ready.
  others=$(other_members)
  [ -z "$others" ] || refuse "a new database was asked for, and there are members of an older one: $(echo $others)" \
    'README.md, "The manager'"'"'s volume is lost", says how to rebuild it from one of them'
  say 'a new database, as ConfigMap `ledger-begin` says'
  initdb -D "$PGDATA.part" -U postgres --auth-local=peer --auth-host=scram-sha-256 --data-checksums -E UTF8 --locale=C.UTF-8 >&2
  start_alone "$PGDATA.part"
  here <<SQL
\set replication \`cat $passwords/replication\`
\set application \`cat $passwords/application\`
create role replicator login replication password :'replication';
grant pg_monitor to replicator;
create role ledger login password :'application';
create database ledger owner ledger;
SQL
  stop_alone "$PGDATA.part"
  keep_part
}

begin_from_worker() {
  say "rebuilding the manager from \`$1\`, as ConfigMap \`ledger-begin\` says"
  copy "$1.$members"
  touch "$PGDATA.part/standby.signal"
  promote "$PGDATA.part"
  keep_part
}

# A timeline of its own: whoever writes on from the same place can never be mistaken for this one.
promote() {
  rm -f "$1/postmaster.pid" # of another pod, if the volume is a copy of a running one's
  start_alone "$1"
  pg_ctl -D "$1" -s -w promote >&2
  here -c checkpoint
  stop_alone "$1"
}

begin_worker() {
  ensure_slot || refuse "the manager \`$manager\` does not answer" 'workers start after it; nothing is to be done if it is on its way'
  previous="$set_name-$((ordinal - 1)).$members"
  say "cloning from \`$previous\`"
  copy "$previous"
  # With this file it starts read-only, and follows.
  touch "$PGDATA.part/standby.signal"
  keep_part
}

resume_manager() {
  if [ -e "$PGDATA/standby.signal" ] && [ "${BEGIN_FROM-}" != volume ]; then
    refuse 'this is the manager, and the volume was a worker'"'"'s' \
      'it may lack what was written last. Put the manager'"'"'s volume back; or README.md, "The manager'"'"'s volume is lost"'
  fi
  for address in $(other_members); do
    compare_with "$address"
  done
  if [ -e "$PGDATA/standby.signal" ]; then
    say 'this worker'"'"'s volume is the manager'"'"'s from now on, as ConfigMap `ledger-begin` says'
    promote "$PGDATA"
  fi
}

# A worker never has what its manager has not: if it does, this volume is an old copy, and to write on would make two histories.
compare_with() {
  identity=$(control 'Database system identifier')
  timeline=$(control "Latest checkpoint's TimeLineID")
  redo=$(control "Latest checkpoint's REDO location")
  # A segment of the log, and what is known of a timeline, begins with its number.
  answer=$(ask "$1" "select (select system_identifier from pg_control_system()),
      (select max(('x' || left(name, 8))::bit(32)::int) from pg_ls_waldir() where name ~ '^[0-9A-F]{8}'),
      pg_last_wal_replay_lsn(), pg_last_wal_replay_lsn() > '$redo'::pg_lsn") || {
    say "member $1 does not answer: not compared"
    return 0
  }
  IFS='|' read -r its_identity its_timeline its_end is_beyond <<A
$answer
A
  hint='the manager'"'"'s volume is not the newest. README.md, "Restore from a back-up", says how to make the older one count'
  [ "$its_identity" = "$identity" ] || refuse "member $1 has another database: $its_identity, not $identity" "$hint"
  [ "$its_timeline" -le "$timeline" ] || refuse "member $1 is on timeline $its_timeline, this volume on $timeline" "$hint"
  # What is past the last checkpoint is in the volume's log, or it is not there.
  if [ "$is_beyond" = t ] && ! pg_waldump -q -p "$PGDATA/pg_wal" -t "$timeline" -s "$redo" -e "$its_end" >/dev/null; then
    refuse "member $1 has the log up to $its_end, this volume has not" "$hint"
  fi
  say "member $1 is not ahead: $its_end"
}

resume_worker() {
  [ -e "$PGDATA/standby.signal" ] || refuse 'this is a worker, and the volume was a manager'"'"'s' \
    "delete its claim, then the pod: it clones again: README.md, \"A worker's volume is lost\""
  theirs=$(ask "$manager" 'select system_identifier from pg_control_system()') || {
    say "the manager \`$manager\` does not answer: it is followed when it does"
    return 0
  }
  ours=$(control 'Database system identifier')
  [ "$ours" = "$theirs" ] || refuse "the manager has another database: $theirs, not $ours" \
    "delete this worker's claim, then the pod: it clones again: README.md, \"A worker's volume is lost\""
}

# The addresses behind the governing Service that are not this pod's. Members get theirs before they are ready.
other_members() { all_members | grep -vxF "$(hostname -I | tr ' ' '\n' | grep .)" || true; }

all_members() { getent ahosts "$members" | cut -d ' ' -f 1 | sort -u; }

# Until it finds itself there, it does not know who else is.
wait_until_listed() {
  tries=0
  until all_members | grep -qxF "$(hostname -I | tr ' ' '\n' | grep .)"; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || refuse "\`$members\` does not list this pod" 'is there a headless Service of that name with `publishNotReadyAddresses: true`, and a name server?'
    sleep 2
  done
}

copy() { pg_basebackup -d "$(as_replicator "$1")" -D "$PGDATA.part" -X stream -c fast --no-password >&2; }

# On the socket only: nobody else reaches it until it is whole.
start_alone() {
  chmod 0700 "$1" # as in database.sh
  pg_ctl -D "$1" -s -w -l "$run/alone.log" -o "-c config_file=$config/postgresql.conf -c hba_file=$config/pg_hba.conf -c listen_addresses=''" start >&2 || {
    cat "$run/alone.log" >&2
    exit 1
  }
}

stop_alone() { pg_ctl -D "$1" -s -w -m fast stop >&2; }

# Whole, or not there.
keep_part() {
  sync
  mv "$PGDATA.part" "$PGDATA"
}

main
