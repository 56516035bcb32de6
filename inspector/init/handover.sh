# shellcheck shell=sh
# What happens, in its order.

main() {
  say "inspector of Beskar7 $(cat "$LIBRARY/version" 2>/dev/null), Linux $(uname -r)"
  read_parameters || give_up "$PROBLEM"
  load_drivers
  set_clock
  network_up || give_up "no network within $REPORT_SECONDS s"
  collect_report || give_up 'the hardware report could not be made'
  send_report || give_up "$PROBLEM"
  fetch_user_data || give_up "$PROBLEM"
  case $MODE in
    WholeDisk) deploy_disk || fail "$PROBLEM" ;;
    *) deploy_kexec || fail "$PROBLEM" ;;
  esac
  announce || give_up "$PROBLEM"
  case $MODE in
    WholeDisk) start_disk ;;
    *) start_kexec ;;
  esac
  fail 'HandoverFailed: the new system could not be started'
}

# Tells Beskar7 why, then ends. The reason is one of a fixed set: no output of a tool, no URL.
fail() {
  say "fails: $1"
  send_failure "$1"
  give_up "$1"
}

give_up() {
  say "gives up: $1; the server is switched off"
  exit 1
}
