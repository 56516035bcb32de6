# shellcheck shell=sh
# WholeDisk: the target is a raw image, which may be packed; it is written to a disk while it is hashed.

. "$LIBRARY/image.sh"

deploy_disk() {
  [ -n "$DIGEST" ] || {
    PROBLEM='TargetDigestMissing: a disk is not overwritten with unchecked bytes'
    return 1
  }
  # Where no disk will do, whatever the image, nothing is fetched.
  choose_disk 0 || return 1
  inspect_image || return 1
  choose_disk "$IMAGE_SIZE" || return 1
  disk=$CHOSEN
  prepare_handover || return 1
  say "writes the target image from $(shown "$TARGET") to ${CHOICE:-$disk}"
  { stream "$TARGET" write_disk "$disk" && check_digest; } || {
    wipe_disk "$disk"
    return 1
  }
  write_handover "$disk"
}

# choose_disk <bytes of the image>: fills CHOSEN, and CHOICE for people. beskar7.disk, else the smallest that fits the image and minDiskGB; never one on USB or a read-only one.
choose_disk() {
  answer=$(jq -c -L "${REPORTS:-$LIBRARY/report}" --arg wanted "$DISK" --argjson image "$1" --argjson minimum "${MIN_DISK_GB}000000000" \
    --slurpfile smart "$FACTS/smart.json" --rawfile wwids "$FACTS/wwids.txt" -f "${REPORTS:-$LIBRARY/report}/disk-choice.jq" "$FACTS/lsblk.json")
  CHOSEN=$(printf '%s' "$answer" | jq -r '.disk // empty')
  [ -n "$CHOSEN" ] || {
    PROBLEM="NoDiskFits: $(printf '%s' "$answer" | jq -r '.problem // "the disks could not be read"')"
    return 1
  }
  CHOICE=$(printf '%s' "$answer" | jq -r '"\(.disk) (\(.sizeBytes / 1e9 | round) GB" + (if .fitting > 1 then ", the smallest of \(.fitting) that fit)" else ")" end)')
}

# conv=fsync: an error that the disk has when it empties its cache is seen here.
write_disk() (
  # shellcheck disable=SC3040 # BusyBox has it.
  set -o pipefail
  unpack | dd of="$1" bs=4M iflag=fullblock conv=fsync
)

# What was written is not what was asked for, or not all of it: it must not boot.
wipe_disk() {
  say "wipes the beginning of $1"
  dd if=/dev/zero of="$1" bs=1M count=16 conv=fsync 2>/dev/null
}

# Images with cloud-init read a file system with the label cidata (NoCloud); one of FAT gets user-data and meta-data, and what a kexec'd OS
# finds under /beskar7/.
write_handover() {
  blockdev --rereadpt "$1" 2>/dev/null
  for label in cidata CIDATA; do
    partition=$(findfs "LABEL=$label" 2>/dev/null) || continue
    case $partition in "$1"*) ;; *) continue ;; esac
    copy_handover "$partition" && say "the user data is on $partition" && return 0
    PROBLEM='DiskWriteFailed: the file system cidata could not be written'
    return 1
  done
  say 'the image has no FAT file system with the label cidata: the user data is not on the disk'
}

copy_handover() {
  mkdir -p "$RUN/cidata"
  /usr/sbin/modprobe -q vfat
  mount -t vfat "$1" "$RUN/cidata" || return 1
  printf 'instance-id: %s\nlocal-hostname: %s\n' "$PROVIDER_ID" "$HOST" >"$RUN/cidata/meta-data" &&
    cp "$RUN/handover/user-data" "$RUN/cidata/user-data" &&
    mkdir -p "$RUN/cidata/beskar7" && cp "$RUN"/handover/* "$RUN/cidata/beskar7/"
  copied=$?
  umount "$RUN/cidata" && [ "$copied" = 0 ]
}

start_disk() {
  say 'restarts from the disk'
  sync
  trap '' EXIT
  reboot -f
}
