# shellcheck shell=sh
# The calls to Beskar7 (contract, "What the inspector does"): every one is tried until it is answered clearly or its time is over.

# Seconds since power-on: Beskar7 waits 10 minutes for a report, then 20 for the hand-over, and the bearer lives 10 more.
REPORT_SECONDS=${REPORT_SECONDS:-600}
HANDOVER_SECONDS=${HANDOVER_SECONDS:-1800}
# Of one call.
CALL_SECONDS=${CALL_SECONDS:-15}
POLL_SECONDS=${POLL_SECONDS:-5}
# How long /provisioned is tried again after one that may have been taken.
UNCLEAR_SECONDS=${UNCLEAR_SECONDS:-60}

# call <method> <route> [<file with the body>]: one try. Fills STATUS (000: no answer), SENT (1: Beskar7 may have got it), DATA_FORMAT,
# DATA_META (base64 of JSON), RETRY_AFTER; the answer's body is in $RUN/answer. The bearer is read from a file, and goes to beskar7.api only: no redirect is followed.
call() {
  [ -z "${3:-}" ] || set -- "$1" "$2" -H 'Content-Type: application/json' --data-binary "@$3"
  method=$1
  route=$2
  shift 2
  [ -z "$CA" ] || set -- --cacert "$RUN/ca.pem" "$@"
  rm -f "$RUN/answer"
  facts=$(curl -q -s -S -X "$method" -H "@$RUN/authorization" -H 'Expect:' "$@" \
    --connect-timeout 5 --max-time "$CALL_SECONDS" --max-filesize 16777216 --proto '=http,https' --noproxy '*' \
    -o "$RUN/answer" -w '%{http_code} %{size_request} %header{beskar7-bootstrap-format} %header{beskar7-meta-data} %header{retry-after}' \
    "$API/api/v1/$route/$NAMESPACE/$HOST" 2>"$RUN/error")
  STATUS=${facts%% *}
  facts=${facts#* }
  SENT=0
  [ "${facts%% *}" = 0 ] || SENT=1
  facts=${facts#* }
  DATA_FORMAT=${facts%% *}
  facts=${facts#* }
  DATA_META=${facts%% *}
  RETRY_AFTER=${facts#* }
  case $RETRY_AFTER in *[!0-9]* | '') RETRY_AFTER=0 ;; esac
  # An answer that broke off is none.
  [ -n "$STATUS" ] || STATUS=000
}

# Why there was no answer, as curl says it; its messages have no header and no argument in them.
call_problem() {
  if [ "$STATUS" = 000 ]; then
    sed -n '1s/^curl: ([0-9]*) //p' "$RUN/error" | cut -c 1-200
  else
    printf 'answered %s' "$STATUS"
  fi
}

# Whether the same call may get another answer later.
is_passing() {
  case $STATUS in
    000 | 408 | 429 | 5??) return 0 ;;
    *) return 1 ;;
  esac
}

# Waits $WAIT (tenths of a second), or what Retry-After asks for up to 30 s, then doubles WAIT up to 8 s.
wait_before_next() {
  tenths=$WAIT
  [ "$RETRY_AFTER" -gt 30 ] && RETRY_AFTER=30
  [ $((RETRY_AFTER * 10)) -gt "$tenths" ] && tenths=$((RETRY_AFTER * 10))
  sleep "$((tenths / 10)).$((tenths % 10))"
  WAIT=$((WAIT * 2))
  [ "$WAIT" -le 80 ] || WAIT=80
}

# call_until <seconds since power-on> <method> <route> [<body>]: tries again while the answer may pass. 1 when the time is over.
call_until() {
  call_limit=$1
  shift
  WAIT=${FIRST_WAIT:-5}
  while :; do
    call "$@"
    is_passing || return 0
    say "$1 /$2: $(call_problem); it is tried again"
    [ "$(uptime_seconds)" -lt "$call_limit" ] || return 1
    wait_before_next
  done
}

send_report() {
  say "sends the report to $(shown "$API") ($(wc -c <"$RUN/report.json") bytes)"
  call_until "$REPORT_SECONDS" POST inspection "$RUN/report.json" || {
    PROBLEM="the report was not taken within $REPORT_SECONDS s: $(call_problem)"
    return 1
  }
  case $STATUS in
    202) say 'the report was taken' ;;
    400)
      say 'the report was refused:'
      say_lines "$RUN/answer" 20
      PROBLEM='the report was refused as wrong'
      return 1
      ;;
    *) PROBLEM="the report was refused with $STATUS" && return 1 ;;
  esac
}

# 404 is not yet, 401 is never. The data is in $RUN/handover/user-data, empty where none is due; FORMAT is that of its Secret, empty where
# none is told.
fetch_user_data() {
  said=
  while :; do
    call_until "$HANDOVER_SECONDS" GET bootstrap || {
      PROBLEM="bootstrap data did not come: $(call_problem)"
      return 1
    }
    case $STATUS in
      200) break ;;
      404) ;;
      401) PROBLEM='Beskar7 has ended this provisioning' && return 1 ;;
      *) PROBLEM="bootstrap data was refused with $STATUS" && return 1 ;;
    esac
    [ -n "$said" ] || say 'waits until the hardware is checked'
    said=1
    [ "$(uptime_seconds)" -lt "$HANDOVER_SECONDS" ] || {
      PROBLEM="nothing came within $HANDOVER_SECONDS s"
      return 1
    }
    sleep "$POLL_SECONDS"
  done
  FORMAT=$DATA_FORMAT META_DATA=$DATA_META
  keep_user_data
  say "the hardware has passed; user data has $(wc -c <"$RUN/handover/user-data") bytes"
}

# curl leaves no file where the answer has no body.
keep_user_data() {
  (
    umask 077
    rm -rf "$RUN/handover"
    mkdir -p "$RUN/handover"
    [ -e "$RUN/answer" ] || : >"$RUN/answer"
    mv "$RUN/answer" "$RUN/handover/user-data"
    chmod 600 "$RUN/handover/user-data"
  )
}

# POST /provisioned. After one that may have been taken, no answer and no refusal mean go on (rule 24): the node must not be lost with an answer.
announce() {
  unclear=
  WAIT=${FIRST_WAIT:-5}
  printf '{}' >"$RUN/empty.json"
  while :; do
    call POST provisioned "$RUN/empty.json"
    [ "$STATUS" != 202 ] || {
      say 'Beskar7 knows of the hand-over'
      return 0
    }
    if ! is_passing; then
      [ -z "$unclear" ] || break
      PROBLEM="the hand-over was refused with $STATUS"
      return 1
    fi
    # 503 and 429 say that nothing was stored; any other may come from something between that lost the answer.
    case $STATUS in
      429 | 503) ;;
      *) [ "$SENT" = 0 ] || unclear=${unclear:-$(uptime_seconds)} ;;
    esac
    say "POST /provisioned: $(call_problem); it is tried again"
    now=$(uptime_seconds)
    [ -z "$unclear" ] || [ "$now" -lt $((unclear + UNCLEAR_SECONDS)) ] || break
    [ "$now" -lt "$HANDOVER_SECONDS" ] || break
    wait_before_next
  done
  [ -n "$unclear" ] || {
    PROBLEM="the hand-over was not taken: $(call_problem)"
    return 1
  }
  say 'the answer to the hand-over was lost; it may have been accepted: continuing'
}

# POST /provision-failed, five tries: the server is switched off in any case.
send_failure() {
  jq -n -c --arg reason "$1" '{reason: $reason}' >"$RUN/failure.json"
  WAIT=${FIRST_WAIT:-5}
  for _ in 1 2 3 4 5; do
    call POST provision-failed "$RUN/failure.json"
    is_passing || return 0
    wait_before_next
  done
}
