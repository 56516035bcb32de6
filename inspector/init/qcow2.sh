# shellcheck shell=sh
# WholeDisk of a qcow2 image. Its tables may stand anywhere in the file, so it is fetched whole before it is unpacked: to the end of the disk that
# it goes to, behind what it unpacks to; where the disk has no room for both, to memory. The memory that is needed does not grow with the image.

# Reads the header of $RUN/head. Fills IMAGE_SIZE (bytes on a disk) and FILE_SIZE (bytes of the file); 1 and PROBLEM where
# the file alone is not the image.
read_qcow2() {
  FILE_SIZE=$IMAGE_SIZE
  IMAGE_SIZE=$((0x$(hex "$RUN/head" 24 8)))
  why=
  # Version 3 has feature bits; bit 2: the data is in another file.
  case $(hex "$RUN/head" 4 4) in
    00000002) ;;
    00000003) [ $((0x$(hex "$RUN/head" 79 1) & 4)) = 0 ] || why='its data is in another file' ;;
    *) why='its version is not known' ;;
  esac
  [ "$(hex "$RUN/head" 8 8)" = 0000000000000000 ] || why='it is based on another image'
  [ "$(hex "$RUN/head" 32 4)" = 00000000 ] || why='it is encrypted'
  [ -z "$why" ] && return 0
  PROBLEM="TargetUnusable: the target image is qcow2 that cannot be written to a disk: $why"
  return 1
}

# choose_qcow2_disk: one that holds the image and the file, else one that holds the image alone. Fills STAGE, where the file goes.
choose_qcow2_disk() {
  STAGE=
  choose_disk $((IMAGE_SIZE + FILE_SIZE + 2097152)) && return 0
  choose_disk "$IMAGE_SIZE" || return 1
  # The file, and as much again for all else.
  available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' "${MEMINFO:-/proc/meminfo}") * 1024))
  [ "$available" -gt $((FILE_SIZE * 2)) ] || {
    PROBLEM="NoDiskFits: the image needs $IMAGE_SIZE bytes of a disk, and qcow2 $FILE_SIZE more while it is unpacked; $CHOSEN has less, and so has the memory"
    return 1
  }
  STAGE=$RUN/image.qcow2
  say "keeps the qcow2 image in memory: $CHOSEN has no room for it beside what it unpacks to"
}

# deploy_qcow2 <disk>: what is on the disk is not booted after a failure.
deploy_qcow2() {
  offset=0
  if [ -z "$STAGE" ]; then
    STAGE=$1
    offset=$((($(blockdev --getsize64 "$1") - FILE_SIZE) / 1048576))
  fi
  stream "$TARGET" stage_qcow2 "$offset" && check_digest && unpack_qcow2 "$1" "$((offset * 1048576))"
  unpacked=$?
  [ "$STAGE" = "$1" ] || rm -f "$STAGE"
  return "$unpacked"
}

# stage_qcow2 <MiB>
stage_qcow2() {
  dd of="$STAGE" bs=1M seek="$1" iflag=fullblock conv=notrunc,fsync
}

# unpack_qcow2 <disk> <offset of the file, bytes>. Sectors that the image does not have become zeros. Nothing but the file itself is opened.
unpack_qcow2() {
  say 'unpacks the qcow2 image'
  driver='file'
  [ ! -b "$STAGE" ] || driver=host_device
  file=$(jq -n -c --arg driver "$driver" --arg name "$STAGE" --argjson offset "$2" --argjson size "$FILE_SIZE" '
    {driver: $driver, filename: $name, locking: "off"} as $all
    # A part of a disk has whole sectors.
    | (if $offset == 0 then $all else {driver: "raw", offset: $offset, size: (($size + 511) / 512 | floor * 512), file: $all} end) as $file
    | {driver: "qcow2", backing: null, file: $file}')
  qemu-img convert -n -t none -T none -O raw "json:$file" "$1" >"$RUN/error" 2>&1 && return 0
  say_lines "$RUN/error" 3
  PROBLEM='TargetUnusable: the qcow2 image could not be unpacked to the disk'
  return 1
}
