#!/bin/sh
# Ready: the database answers, and does what the role says. A writer that is a worker, or the other way round, gets no clients.
. "$(dirname "$0")/role.sh"

case "$role/$(here -c 'select pg_is_in_recovery()')" in
manager/f | worker/t) ;;
*) refuse "a $role whose database is something else" 'the log of container `database` says why' ;;
esac
