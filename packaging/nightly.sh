#!/bin/sh
# Saves the pictures of contacts.txt, prints those that changed, and says what a failure means.
# Chats that were done within 20 hours are skipped, so it can be run again at any time.
greenavatar get --from contacts.txt --dir pictures --history --only-changes --journal done.ndjson --max-age 20h
status=$?
case $status in
0) ;;
1) echo "some chats failed; the next run asks again" >&2 ;;
69 | 75) echo "GREEN-API is unavailable; the next run goes on from here" >&2 ;;
77 | 78) echo "check the instance and its settings: greenavatar doctor" >&2 ;;
*) echo "unexpected failure: see the messages above" >&2 ;;
esac
exit $status
