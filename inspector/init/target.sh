# shellcheck shell=sh
# Fetches what the final OS is made of. No bearer goes to these servers.

FETCH_TRIES=${FETCH_TRIES:-8}

. "$LIBRARY/checksum.sh"

# fetch <URL> [<arguments of curl>]: to standard output, without a try again. The given CA counts beside those of the image.
fetch() {
  url=$1
  shift
  set -- "$@" -f -s -S -L --max-redirs 5 --proto '=http,https' --proto-redir '=http,https' --connect-timeout 10 \
    --speed-limit 1024 --speed-time "${STALL_SECONDS:-30}"
  if [ -n "$CA" ]; then
    cat "${PUBLIC_CAS:-/etc/ssl/certs/ca-certificates.crt}" "$RUN/ca.pem" >"$RUN/all-cas.pem" 2>/dev/null
    set -- "$@" --cacert "$RUN/all-cas.pem"
  fi
  # -q has to come first: no configuration file is read.
  curl -q "$@" "$url"
}

# Whether a fetch that ended with this number may go better later: 22 is an answer of 400 or more.
is_fetch_passing() {
  [ "$1" = 22 ] || return 0
  grep -Eq 'error: (408|425|429|5[0-9][0-9])' "$RUN/fetch-error"
}

# stream <URL> <command...>: what is fetched goes into the command, and is hashed on its way. SUM is its digest by ALGORITHM. Fills PROBLEM with the
# reason. An interrupted fetch is continued where it ended; where the server does not do that, it starts over, and so does the command.
stream() {
  source_url=$1
  shift
  WAIT=${FIRST_WAIT:-5}
  try=1
  while :; do
    stream_once "$source_url" "$@" && return 0
    [ "$taken" = 0 ] || [ "$fetched" != 0 ] || {
      check_digest || return 1
      PROBLEM='TargetUnusable: the target image could not be unpacked or written'
      say_lines "$RUN/take-error" 3
      return 1
    }
    may_fetch_again || return 1
  done
}

# After a fetch of the target that failed: waits, and counts $try; 1 and PROBLEM when there is no other try.
may_fetch_again() {
  say "the target image: $(sed -n '1s/^curl: ([0-9]*) //p' "$RUN/fetch-error" | cut -c 1-200)"
  PROBLEM='TargetUnreachable: the target image could not be fetched'
  is_fetch_passing "$fetched" || return 1
  [ "$try" -lt "$FETCH_TRIES" ] && [ "$(uptime_seconds)" -lt "$HANDOVER_SECONDS" ] || return 1
  try=$((try + 1))
  RETRY_AFTER=0
  wait_before_next
}

stream_once() {
  stream_url=$1
  shift
  rm -f "$RUN/pipe" "$RUN/sum" "$RUN/fetched" "$RUN/taken"
  mkfifo "$RUN/pipe"
  "${ALGORITHM}sum" <"$RUN/pipe" >"$RUN/sum" &
  hasher=$!
  {
    fetch_all "$stream_url"
    echo $? >"$RUN/fetched"
  } | tee "$RUN/pipe" | {
    "$@" 2>"$RUN/take-error"
    echo $? >"$RUN/taken"
    # The rest of the stream, so that the digest is that of all of it.
    cat >/dev/null
  }
  wait "$hasher"
  rm -f "$RUN/pipe"
  fetched=$(cat "$RUN/fetched")
  taken=$(cat "$RUN/taken")
  SUM=$(cut -d ' ' -f 1 "$RUN/sum")
  [ "$fetched" = 0 ] && [ "$taken" = 0 ]
}

# fetch_all <URL>: to standard output; what breaks off is continued by a range, as long as the server says by its ETag that the file is the same still.
# The pauses get longer while nothing comes.
fetch_all() {
  WAIT=${FIRST_WAIT:-5}
  tries=1
  at=0
  tag=
  set -- "$1" -D "$RUN/stream-headers" -w '%{stderr}\nfetched=%{size_download}\n'
  while :; do
    : >"$RUN/stream-headers"
    if [ "$at" = 0 ]; then fetch "$@"; else fetch "$@" -C "$at" -H "If-Range: $tag"; fi 2>"$RUN/fetch-error"
    ended=$?
    [ "$ended" != 0 ] || return 0
    came=$(sed -n 's/^fetched=\([0-9][0-9]*\)$/\1/p' "$RUN/fetch-error")
    # What stands in the body of a refusal is not passed on.
    [ "$ended" != 22 ] || came=0
    [ "$at" != 0 ] || tag=$(entity_tag)
    at=$((at + ${came:-0}))
    [ "$at" -gt 0 ] && [ -n "$tag" ] || return "$ended"
    case $ended in
      # The server has another file by now, or no ranges; nothing reads any more.
      33 | 23) return "$ended" ;;
      # A refused range: it starts over, and finds out whether the file is still there.
      22) is_fetch_passing 22 || return 33 ;;
    esac
    if [ "${came:-0}" -gt 0 ]; then
      tries=1
      WAIT=${FIRST_WAIT:-5}
    else
      tries=$((tries + 1))
    fi
    [ "$tries" -le "$FETCH_TRIES" ] && [ "$(uptime_seconds)" -lt "$HANDOVER_SECONDS" ] || return "$ended"
    say "the target image broke off after $at bytes: continues there" >&2
    RETRY_AFTER=0
    wait_before_next
  done
}

# The strong entity tag of the last answer (after redirects); a weak one says nothing of bytes.
entity_tag() {
  tr -d '\r' <"$RUN/stream-headers" | awk '
    toupper($1) ~ /^HTTP\// { tag = "" }
    tolower($1) == "etag:" { tag = $2 }
    END { if (tag ~ /^"[^"]*"$/) printf "%s", tag }'
}

# The digest of what was streamed against the one that was asked for.
check_digest() {
  [ -n "$DIGEST" ] || return 0
  [ "$SUM" = "$DIGEST" ] && say 'the digest of the target image is right' && return 0
  say "the target image has the digest $ALGORITHM:$SUM"
  PROBLEM='TargetDigestMismatch: the target image does not have the digest of targetOSImageDigest'
  return 1
}

# The files under /beskar7/ of the final OS, in $RUN/handover.
prepare_handover() {
  printf '%s' "$PROVIDER_ID" >"$RUN/handover/provider-id"
  meta_data >"$RUN/handover/meta-data.json"
  (umask 077 && write_report_environment >"$RUN/handover/report.env")
  [ -n "$CONFIG" ] || return 0
  say "fetches the configuration from $(shown "$CONFIG")"
  for _ in 1 2 3 4 5; do
    fetch "$CONFIG" >"$RUN/handover/config" 2>"$RUN/fetch-error" && return 0
    sleep 2
  done
  PROBLEM='ConfigurationUnreachable: configurationURL could not be fetched'
  return 1
}

# For `. report.env` in a shell. The values have no quotes in them: Beskar7 refuses those.
write_report_environment() {
  printf "BESKAR7_API='%s'\nBESKAR7_NAMESPACE='%s'\nBESKAR7_HOST='%s'\nBESKAR7_TOKEN='%s'\n" "$API" "$NAMESPACE" "$HOST" "$TOKEN"
  [ -z "$CA" ] || printf "BESKAR7_CA='%s'\n" "$CA"
}
