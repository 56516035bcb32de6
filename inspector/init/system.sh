# shellcheck shell=sh
# The kernel's side: file systems, drivers, clock, power.

mount_all() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t devtmpfs dev /dev
  mount -t tmpfs -o mode=755,size=90% run /run
  [ ! -d /sys/firmware/efi ] || mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
  # The kernel's own messages of this level are on the console; those of the drivers would hide ours.
  echo 4 >/proc/sys/kernel/printk
  # A kernel that cannot go on must not stay on.
  echo 10 >/proc/sys/kernel/panic
}

# Drivers of the hardware that is there; again while they bring up devices that need others. What has no driver is left out.
load_drivers() {
  known=
  for _ in 1 2 3; do
    wanted=$(find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u)
    [ "$wanted" != "$known" ] || break
    known=$wanted
    printf '%s\n' "$wanted" | tr '\n' '\0' | xargs -0 /usr/sbin/modprobe -a -b -q 2>/dev/null
  done
  for module in sd_mod ipmi_si ipmi_devintf ipmi_ssif; do
    /usr/sbin/modprobe -q "$module" 2>/dev/null
  done
  settle
}

# Waits until no disk and no NIC has come for 0.6 s, and while a SCSI controller has no disk; 15 s at most: controllers look for their
# disks in the background.
settle() {
  before=
  quiet=0
  for _ in $(seq 1 75); do
    now=$(echo /sys/block/* /sys/class/net/*)
    if [ "$now" = "$before" ]; then quiet=$((quiet + 1)); else quiet=0; fi
    [ "$quiet" -lt 3 ] || lacks_disk || return 0
    before=$now
    sleep 0.2
  done
}

lacks_disk() {
  for folder in /sys/class/scsi_host/*; do
    [ -e "$folder" ] || continue
    for disk in /sys/class/scsi_disk/*; do [ ! -e "$disk" ] || return 1; done
    return 0
  done
  return 1
}

# Memory that was plugged in while the server ran, or that firmware tells late, is there only once it is brought online; the drivers for it are
# built in. What stays offline is said: it counts for nothing.
memory_online() {
  folder=${MEMORY:-/sys/devices/system/memory}
  [ -d "$folder" ] || return 0
  [ ! -w "$folder/auto_online_blocks" ] || echo online 2>/dev/null >"$folder/auto_online_blocks"
  offline=0
  for state in "$folder"/memory*/state; do
    [ -e "$state" ] && [ "$(cat "$state" 2>/dev/null)" = offline ] || continue
    echo online 2>/dev/null >"$state"
    [ "$(cat "$state" 2>/dev/null)" != offline ] || offline=$((offline + 1))
  done
  [ "$offline" = 0 ] || {
    block=$((0x$(cat "$folder/block_size_bytes" 2>/dev/null || echo 8000000) / 1048576))
    say "$((offline * block)) MiB of memory stay offline: $offline blocks could not be brought online; they do not count"
  }
}

# A clock without a battery is before the day on which this image was built, and then no certificate is valid.
set_clock() {
  built=$(cat "$LIBRARY/built" 2>/dev/null)
  if [ -n "$built" ] && [ "$(date +%s)" -lt "$built" ]; then
    date -s "@$built" >/dev/null && say 'the clock was before the day of this image: it is set to that day'
  fi
}

power_off() {
  trap '' EXIT
  sync
  poweroff -f
  # Where ACPI does not answer, the kernel's own way.
  sleep 10
  echo o >/proc/sysrq-trigger
  sleep 10
  reboot -f
}

# Whole seconds since the kernel began.
uptime_seconds() {
  cut -d . -f 1 /proc/uptime
}
