# shellcheck shell=sh
# The config drive of WholeDisk: FAT partitions at the end of the disk in which cloud-init and Ignition look for user data (docs/inspector.md,
# "User data"). Their file systems are made in memory and written at their offset: nothing is mounted, no device node is waited for.

# Room of a drive in MiB. What a Secret can hold is 1 MiB; configurationURL may be more.
DRIVE_MIB=16
# GPT's "Microsoft basic data", and "FAT16, LBA" of the old kind of partition table.
GPT_TYPE=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
MBR_TYPE=e

# deliver_user_data <disk>: in the drive that the image brings, else in new ones. Where user data is due and cannot be delivered: 1, and PROBLEM.
deliver_user_data() {
  DRIVE_PROBLEM=
  write_drives "$1" && return 0
  if [ -s "$RUN/handover/user-data" ]; then
    PROBLEM="UserDataNotDelivered: $DRIVE_PROBLEM"
    return 1
  fi
  say "no user data is due, and there is no config drive: $DRIVE_PROBLEM"
}

write_drives() {
  read_table "$1" && find_own_drive "$1" || return 1
  if [ -n "$OWN_DRIVE" ]; then
    fill_own_drive "$1"
  else
    append_drives "$1"
  fi
}

# The labels of the drives that are made, the most important one first.
wanted_drives() {
  case $USER_DATA in
    NoCloud) echo cidata ;;
    ConfigDrive) echo config-2 ;;
    Talos) echo metal-iso ;;
    # Ignition reads ConfigDrive alone. cloud-init reads both; some images restrict it to one of them.
    *) if [ "$FORMAT" = ignition ]; then echo config-2; else echo 'cidata config-2'; fi ;;
  esac
}

# Reads the partition table into $RUN/table.json, and moves GPT's backup header to the end of the disk, which is larger than the image.
read_table() {
  # $RUN/error has its messages, for the console.
  if has_gpt "$1" && ! sfdisk -q --no-reread --no-tell-kernel --relocate gpt-bak-std "$1" >"$RUN/error" 2>&1; then
    say_lines "$RUN/error" 3
    DRIVE_PROBLEM="the backup of the image's partition table could not be written to the end of $1"
    return 1
  fi
  sfdisk -J "$1" >"$RUN/table.json" 2>"$RUN/error" && return 0
  DRIVE_PROBLEM='the image has no partition table (GPT or MBR) in which a config drive can be entered'
  return 1
}

has_gpt() {
  [ "$(hex "$1" "$(sector_bytes "$1")" 8)" = 4546492050415254 ]
}

sector_bytes() {
  blockdev --getss "$1" 2>/dev/null || echo 512
}

# find_own_drive <disk>: fills OWN_DRIVE with "<offset>:<label>", empty where the image brings none of those that are wanted. 1 where it brings
# one that cannot be written: a second one with the same label would be ambiguous.
find_own_drive() {
  OWN_DRIVE=
  for at in $(jq -r '.partitiontable | (.sectorsize // 512) as $s | .partitions[]? | "\(.start * $s):\(.size * $s)"' "$RUN/table.json"); do
    label=$(probe "$1" "$at" LABEL | tr '[:upper:]' '[:lower:]')
    case " $(wanted_drives) " in *" ${label:--} "*) ;; *) continue ;; esac
    OWN_DRIVE=${at%:*}:$label
    [ "$(probe "$1" "$at" TYPE)" = vfat ] && return 0
    DRIVE_PROBLEM="the image has a file system with the label $label that is not FAT, so it cannot be written"
    return 1
  done
}

# probe <disk> <offset>:<bytes> LABEL|TYPE: of the file system there, by its content.
probe() {
  blkid -p -o value -s "$3" -O "${2%:*}" -S "${2#*:}" "$1" 2>/dev/null
}

fill_own_drive() {
  label=${OWN_DRIVE#*:}
  fill_drive "$1@@${OWN_DRIVE%:*}" "$label" || {
    DRIVE_PROBLEM="the file system $label of the image could not be written (has it room for the user data?)"
    return 1
  }
  say "the user data is in the file system $label of the image"
}

# append_drives <disk>: new partitions behind the last one. Of several that are wanted, those for which the partition table has room.
append_drives() {
  size=$((DRIVE_MIB + 3 * $(du -sm "$RUN/handover" | cut -f 1)))
  # shellcheck disable=SC2046 # Words are what is wanted.
  set -- "$1" $(wanted_drives)
  disk=$1
  shift
  find_places "$disk" "$size" "$#" || return 1
  for place in $PLACES; do
    make_drive "$1" "$size" "$disk" && dd if="$RUN/drive.img" of="$disk" bs=1M seek="${place%%:*}" conv=notrunc,fsync 2>"$RUN/error" || {
      say_lines "$RUN/error" 3
      DRIVE_PROBLEM="the config drive $1 could not be written"
      return 1
    }
    rm -f "$RUN/drive.img"
    enter_partition "$disk" "${place#*:}" "$1" || return 1
    say "the user data is in a new partition $1 at the end of $disk"
    shift
  done
}

# find_places <disk> <MiB of each> <how many are wanted>: fills PLACES with "<MiB>:<first sector>,<sectors>" for each that there is room for; 1
# for none.
find_places() {
  answer=$(jq -c --argjson bytes "$(blockdev --getsize64 "$1")" --argjson each "$2" --argjson wanted "$3" \
    -f "${REPORTS:-$LIBRARY/report}/drive-places.jq" "$RUN/table.json")
  DRIVE_PROBLEM=$(printf '%s' "$answer" | jq -r '.problem // empty')
  PLACES=$(printf '%s' "$answer" | jq -r '.places // [] | .[]')
  [ -n "$PLACES" ] || DRIVE_PROBLEM=${DRIVE_PROBLEM:-the partition table of the image could not be read}
  [ -n "$PLACES" ]
}

# enter_partition <disk> <first sector>,<sectors> <name>
enter_partition() {
  if has_gpt "$1"; then line="type=$GPT_TYPE, name=$3"; else line="type=$MBR_TYPE"; fi
  printf 'start=%s, size=%s, %s\n' "${2%,*}" "${2#*,}" "$line" |
    sfdisk -q --append --no-reread --no-tell-kernel --wipe never --wipe-partitions never "$1" >"$RUN/error" 2>&1 && return 0
  say_lines "$RUN/error" 3
  DRIVE_PROBLEM="the config drive $3 could not be entered in the partition table of the image"
  return 1
}

# make_drive <label> <MiB> <disk>: a file system for that disk, filled, in $RUN/drive.img.
make_drive() {
  rm -f "$RUN/drive.img"
  mkfs.fat -S "$(sector_bytes "$3")" -n "$1" -C "$RUN/drive.img" $(($2 * 1024)) >"$RUN/error" 2>&1 && fill_drive "$RUN/drive.img" "$1"
}

# fill_drive <file system, as mtools names it> <label>
fill_drive() {
  rm -rf "$RUN/drive"
  mkdir -p "$RUN/drive" && (umask 077 && drive_files "$2") >"$RUN/error" 2>&1 || return 1
  MTOOLS_SKIP_CHECK=1 mcopy -i "$1" -s -o -Q "$RUN"/drive/* ::/ >"$RUN/error" 2>&1
  filled=$?
  rm -rf "$RUN/drive"
  [ "$filled" = 0 ] || say_lines "$RUN/error" 3
  return "$filled"
}

# The files of a drive, in $RUN/drive, and those of /beskar7/ in each.
drive_files() {
  mkdir -p "$RUN/drive/beskar7" && cp "$RUN"/handover/* "$RUN/drive/beskar7/" || return 1
  case $1 in
    cidata) no_cloud_files ;;
    config-2) config_drive_files ;;
    metal-iso) cp "$RUN/handover/user-data" "$RUN/drive/config.yaml" ;;
  esac
}

# What the OS is told of itself, as JSON: {provider_id, node_labels, failure_domain?, region?}. META_DATA is the header that came with the user data.
meta_data() {
  jq -n --arg id "$PROVIDER_ID" --arg told "$(printf '%s' "${META_DATA:-}" | base64 -d 2>/dev/null | tr -d '\000')" \
    -f "${REPORTS:-$LIBRARY/report}/meta-data.jq"
}

# cloud-init's NoCloud. The instance-id is the providerID: another machine on this disk is another instance, whose once-only modules run.
no_cloud_files() {
  {
    printf 'instance-id: %s\nlocal-hostname: %s\n' "$PROVIDER_ID" "$NODE_NAME" &&
      meta_data | jq -r 'to_entries[] | "\(.key): \(.value | tojson)"'
  } >"$RUN/drive/meta-data" &&
    cp "$RUN/handover/user-data" "$RUN/drive/user-data"
}

# OpenStack's config drive. cloud-init takes `uuid` as the instance-id; the zone is `availability_zone` there.
config_drive_files() {
  folder=$RUN/drive/openstack/latest
  mkdir -p "$folder" &&
    meta_data | jq --arg id "$PROVIDER_ID" --arg name "$NODE_NAME" '{uuid: $id, hostname: $name, name: $name} + .
      + if .failure_domain then {availability_zone: .failure_domain} else {} end' >"$folder/meta_data.json" &&
    cp "$RUN/handover/user-data" "$folder/user_data"
}
