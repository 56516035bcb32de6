# shellcheck shell=sh
# Everything that is said goes to the console and to every serial line that is not one of its kind already.

SERIAL_LINES=

# Serial lines that exist and that the kernel does not write to itself; on most servers one of them is the BMC's console.
open_consoles() {
  active=" $(cat /sys/class/tty/console/active 2>/dev/null) "
  for folder in /sys/class/tty/ttyS*; do
    [ -e "$folder/type" ] && [ "$(cat "$folder/type")" != 0 ] || continue
    line=${folder##*/}
    # What is written to /dev/console goes to the last one only.
    case $active in *" $line ") continue ;; esac
    stty -F "/dev/$line" 115200 2>/dev/null
    SERIAL_LINES="$SERIAL_LINES /dev/$line"
  done
}

# One line, with the seconds since the kernel began. A line that cannot be written is lost, nothing else.
say() {
  read -r uptime _ </proc/uptime
  printf '[%s] beskar7: %s\n' "$uptime" "$1"
  for line in $SERIAL_LINES; do
    # In the background with a limit: a line with flow control may never take it.
    timeout 2 sh -c 'printf "%s\r\n" "$1" >"$2"' - "[$uptime] beskar7: $1" "$line" 2>/dev/null
  done
}

# The lines of a file, at most $2 of them, printable characters only.
say_lines() {
  head -n "$2" "$1" | tr -cd '\12\40-\176' | cut -c 1-200 | while read -r text; do say "  $text"; done
}
