#!/bin/sh
# Keeps a folder of avatars up to date: nightly.sh LIST FOLDER [OPTION...]
# LIST has one chat id a line; further options go to `greenavatar get`.
#
# For cron, which mails what is printed. So it prints only what somebody should do something about, and a second run in the
# same night asks only for what the first one left (crontab -e; credentials in ~/avatars/.env, chmod 600):
#
#   15 3,5 * * *  cd ~/avatars && sh nightly.sh chats.txt pictures
#
# Rehearse it before you trust it:
#
#   greenavatar sandbox -- sh nightly.sh chats.txt pictures --allow-host 127.0.0.1
set -u

if [ $# -lt 2 ]; then
  echo "usage: nightly.sh LIST FOLDER [OPTION...]" >&2
  exit 2
fi
list=$1 folder=$2
shift 2

mkdir -p "$folder" || exit 74
# Phone numbers are for nobody else.
umask 077

greenavatar get --from "$list" --dir "$folder" --if-changed \
  --journal "$folder/journal.jsonl" --max-age 20h --json -q "$@" \
  >"$folder/last.jsonl" 2>"$folder/errors.jsonl"
status=$?

case $status in
  0) # Every chat has its answer: a picture, none, hidden, or no account.
    exit 0
    ;;
  1) # Some chats failed. Numbers that are wrong stay wrong, so somebody should strike them off the list.
    sed -n -e '/"code":"invalid-chat-id"/s/^{"chatId":"\([^"]*\)".*/\1/p' \
      -e '/"code":"bad-request-data"/s/^{"chatId":"\([^"]*\)".*/\1/p' "$folder/last.jsonl" >"$folder/wrong.txt"
    wrong=$(grep -c '' "$folder/wrong.txt")
    failed=$(grep -c '"status":"failed"\|"status":"invalid"' "$folder/last.jsonl")
    echo "$failed chats failed, $wrong of them are no chat ids: see $folder/wrong.txt"
    echo "the others are asked again in the next run"
    ;;
  69) # The service is down, or this month's quota is used up. What is done is in the journal; the next run goes on there.
    if grep -q '"code":"quota-exceeded"' "$folder/last.jsonl" "$folder/errors.jsonl"; then
      echo "this month's quota is used up; a larger plan lifts it at once"
    else
      echo "GREEN-API cannot be reached, or not at this URL; the next run goes on"
      cat "$folder/errors.jsonl"
    fi
    ;;
  75) # Another run is at it still. Let it.
    exit 0
    ;;
  77 | 78) # Token, instance or settings: nothing works until somebody mends them.
    echo "greenavatar needs its settings mended; this says what it finds: greenavatar doctor"
    cat "$folder/errors.jsonl" "$folder/last.jsonl"
    ;;
  *) # 66: no list, 74: the disk is full, over 128: a signal.
    echo "greenavatar get ended with status $status"
    cat "$folder/errors.jsonl"
    ;;
esac
exit "$status"
