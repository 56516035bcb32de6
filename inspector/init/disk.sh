# shellcheck shell=sh
# WholeDisk: the target is a disk image. A raw one, packed or not, is written to a disk while it is hashed; qcow2 see qcow2.sh.

. "$LIBRARY/image.sh"
. "$LIBRARY/qcow2.sh"
. "$LIBRARY/configdrive.sh"

deploy_disk() {
  [ -n "$DIGEST" ] || {
    PROBLEM='TargetDigestMissing: a disk is not overwritten with unchecked bytes'
    return 1
  }
  # Where no disk will do, whatever the image, nothing is fetched.
  choose_disk 0 || return 1
  resolve_digest || return 1
  inspect_image || return 1
  if [ "$PACKING" = qcow2 ]; then choose_qcow2_disk; else choose_disk "$IMAGE_SIZE"; fi || return 1
  disk=$CHOSEN
  prepare_handover || return 1
  say "writes the target image from $(shown "$TARGET") to ${CHOICE:-$disk}"
  write_image "$disk" || {
    wipe_disk "$disk"
    return 1
  }
  deliver_user_data "$disk" || return 1
  blockdev --rereadpt "$disk" 2>/dev/null
  return 0
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

write_image() {
  if [ "$PACKING" = qcow2 ]; then
    deploy_qcow2 "$1"
  else
    stream "$TARGET" write_disk "$1" && check_digest
  fi
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

start_disk() {
  say 'restarts from the disk'
  sync
  trap '' EXIT
  reboot -f
}
