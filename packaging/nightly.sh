#!/bin/sh
# Asks for the avatars of contacts.txt, and says what a failure means.
# Chats that were asked about within 20 hours are skipped, so it can be run again at any time.
greenavatar -q request --from contacts.txt --journal done.ndjson --max-age 20h
status=$?
case $status in
0) ;;
1) echo "some chats failed; done.ndjson says which" >&2 ;;
69 | 75) echo "GREEN-API cannot be had now; the next run goes on from here" >&2 ;;
77 | 78) echo "look after the instance or its settings; greenavatar doctor tells more" >&2 ;;
*) echo "this needs a look" >&2 ;;
esac
exit $status
