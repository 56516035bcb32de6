# shellcheck shell=sh
# Asks the tools and makes the report of what they said. A tool that fails or hangs costs its part, not the report.

FACTS=${FACTS:-$RUN/facts}

# tool <file> <command...>: its output, for 20 s at most. BusyBox's timeout prefers its own `ip` to the one on PATH.
tool() {
  file=$FACTS/$1
  shift
  timeout 20 "$@" >"$file" 2>/dev/null
}

# Files whose text is no JSON are as those of a tool that said nothing.
drop_broken_json() {
  for file in "$FACTS"/*.json; do
    jq . "$file" >/dev/null 2>&1 || : >"$file"
  done
}

collect_facts() {
  rm -rf "$FACTS"
  mkdir -p "$FACTS"
  tool lscpu.json lscpu -J
  tool lsblk.json lsblk -J -b -o NAME,PATH,TYPE,SIZE,RO,RM,ROTA,TRAN,MODEL,SERIAL,VENDOR,WWN,SUBSYSTEMS
  tool ip.json /usr/sbin/ip -j addr
  tool dmidecode.txt dmidecode
  tool lspci.txt lspci -Dvmmnnk
  tool meminfo.txt cat /proc/meminfo
  collect_nics
  collect_disks
  complete_serials
  : >"$FACTS/lan.txt"
  [ ! -e /dev/ipmi0 ] || tool lan.txt ipmitool lan print
}

collect_nics() {
  for nic in $(nics); do
    printf '== %s\n' "$nic"
    timeout 5 ethtool -i "$nic" 2>/dev/null
    timeout 5 ethtool -P "$nic" 2>/dev/null
    timeout 5 ethtool "$nic" 2>/dev/null
  done >"$FACTS/ethtool.txt"
}

# All disks at once: a dead one takes 20 s to say so.
collect_disks() {
  : >"$FACTS/wwids.txt"
  jobs_of_smart=
  disks=$(lsblk -d -n -o NAME,TYPE 2>/dev/null | awk '$2 == "disk" && $1 !~ /^(zram|ram|loop|nbd|fd)/ { print $1 }')
  for disk in $disks; do
    timeout 20 smartctl -i -j "/dev/$disk" >"$FACTS/smart.$disk" 2>/dev/null &
    jobs_of_smart="$jobs_of_smart $!"
    for file in "/sys/block/$disk/wwid" "/sys/block/$disk/device/wwid"; do
      [ ! -r "$file" ] || {
        printf '%s %s\n' "$disk" "$(cat "$file" 2>/dev/null)" >>"$FACTS/wwids.txt"
        break
      }
    done
  done
  # Not `wait` alone: a udhcpc that stays may be a child, too.
  for job in $jobs_of_smart; do wait "$job"; done
  for disk in $disks; do
    # Each is one object; a torn one would spoil the others.
    ! tail -n 1 "$FACTS/smart.$disk" | grep -q '^}' || cat "$FACTS/smart.$disk"
  done >"$FACTS/smart.json"
}

# Without udev lsblk does not know the serial number of every disk (virtio); the kernel does.
complete_serials() {
  for folder in "${BLOCK:-/sys/block}"/*; do
    for file in "$folder/serial" "$folder/device/serial"; do
      [ ! -r "$file" ] || printf '%s\t%s\n' "${folder##*/}" "$(cat "$file" 2>/dev/null)"
    done
  done >"$FACTS/serials"
  jq --rawfile lines "$FACTS/serials" '
    ($lines | split("\n") | map(split("\t") | select(length == 2 and (.[1] | test("[^ ]"))))
      | map({key: .[0], value: (.[1] | gsub("^ +| +$"; ""))}) | from_entries) as $known
    | .blockdevices |= map(.serial //= $known[.name])' "$FACTS/lsblk.json" >"$FACTS/lsblk.new" 2>/dev/null &&
    mv "$FACTS/lsblk.new" "$FACTS/lsblk.json"
}

# make_report <folder of facts> <time> <UEFI or Legacy>: the report as one line of JSON.
make_report() {
  jq -n -c -L "${REPORTS:-$LIBRARY/report}" \
    --slurpfile lscpu "$1/lscpu.json" --slurpfile lsblk "$1/lsblk.json" --slurpfile ip "$1/ip.json" --slurpfile smart "$1/smart.json" \
    --rawfile dmidecode "$1/dmidecode.txt" --rawfile ethtool "$1/ethtool.txt" --rawfile lspci "$1/lspci.txt" \
    --rawfile meminfo "$1/meminfo.txt" --rawfile wwids "$1/wwids.txt" --rawfile lan "$1/lan.txt" \
    --arg timestamp "$2" --arg bootmode "$3" -f "${REPORTS:-$LIBRARY/report}/report.jq"
}

collect_report() {
  say 'looks at the hardware'
  memory_online
  collect_facts
  bootmode=Legacy
  [ ! -d /sys/firmware/efi ] || bootmode=UEFI
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  make_report "$FACTS" "$now" "$bootmode" >"$RUN/report.json" 2>"$RUN/error" || {
    say 'a tool wrote something that is not JSON: continuing without it'
    say_lines "$RUN/error" 5
    drop_broken_json
    make_report "$FACTS" "$now" "$bootmode" >"$RUN/report.json" 2>"$RUN/error" || return 1
  }
  [ ! -s "$RUN/error" ] || {
    say 'a tool wrote something that cannot be read: that part of the report is left out'
    say_lines "$RUN/error" 5
  }
  say "$(jq -r '"\(.system.manufacturer // "unknown maker") \(.system.model // ""): \(.cpus.cores) cores, \(.memory.totalGB) GiB, \(.disks | length) disks, \(.nics // [] | length) NICs, \(.bootMode)"' "$RUN/report.json")"
  warning=$(jq -r '.memory | select(.installedBytes != null) | "\(.installedBytes / 1073741824 | floor) GiB of memory are installed, the kernel has \(.totalGB): these count. Look for DIMMs that are mapped out, and at mirroring"' "$RUN/report.json")
  [ -z "$warning" ] || say "$warning"
}
