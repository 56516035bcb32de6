# shellcheck shell=sh
# What the target of WholeDisk is, by its content: how large, how packed, or why it is no disk image that can be written. A disk is overwritten only once this is known.

# Enough for every signature below; that of an ISO is the last, at 32769.
PROBE_BYTES=65536

# Fetches the beginning of the image. Fills IMAGE_SIZE (bytes on a disk; empty where only unpacking tells) and PACKING. The size comes from the
# answer to a GET of a range, which pre-signed URLs allow where they refuse HEAD.
probe_image() {
  WAIT=${FIRST_WAIT:-5}
  try=1
  while :; do
    probe_once -r "0-$((PROBE_BYTES - 1))" && break
    # Servers exist that refuse a range; curl is ended after the first bytes then.
    if [ "$fetched" = 22 ] && ! is_fetch_passing 22; then
      probe_once && break
    fi
    may_fetch_again || return 1
  done
  PACKING=$(packing_of "$RUN/head")
  IMAGE_SIZE=
  case $PACKING in raw | qcow2) IMAGE_SIZE=$(image_size) ;; esac
}

# curl ends with 23 when nothing reads any more.
probe_once() {
  : >"$RUN/headers"
  {
    fetch "$TARGET" -D "$RUN/headers" "$@" 2>"$RUN/fetch-error"
    echo $? >"$RUN/fetched"
  } | dd of="$RUN/head" bs="$PROBE_BYTES" count=1 iflag=fullblock 2>/dev/null
  fetched=$(cat "$RUN/fetched")
  head_size=$(wc -c <"$RUN/head")
  [ "$fetched" = 0 ] || [ "$head_size" = "$PROBE_BYTES" ]
}

# Bytes of the image by the last answer (after redirects): the total of Content-Range, else Content-Length; nothing where neither is said.
image_size() {
  if [ "$head_size" -lt "$PROBE_BYTES" ]; then
    printf '%s' "$head_size"
    return
  fi
  tr -d '\r' <"$RUN/headers" | awk '
    toupper($1) ~ /^HTTP\// { status = $2; length_said = ""; total = "" }
    tolower($1) == "content-length:" { length_said = $2 }
    tolower($1) == "content-range:" { total = $0; sub(/.*\//, "", total) }
    END { size = (status == 206 ? total : length_said); if (size ~ /^[0-9]+$/) printf "%s", size }'
}

# hex <file> <offset> <bytes>
hex() {
  od -A n -v -t x1 -j "$2" -N "$3" "$1" 2>/dev/null | tr -d ' \n'
}

# packing_of <file>: raw, what we can unpack (gzip, xz, bzip2, zstd), or the name of what is no raw image.
packing_of() {
  case $(hex "$1" 0 8) in
    1f8b08*) echo gzip && return ;;
    fd377a585a00*) echo xz && return ;;
    # BZh1 to BZh9, then the number pi, or the root of it where the stream is empty.
    425a683?31415926 | 425a683?17724538) echo bzip2 && return ;;
    # A frame, or one that is skipped before it (pzstd).
    28b52ffd* | 5?2a4d18*) echo zstd && return ;;
    514649fb*) echo qcow2 && return ;;
    51454400*) echo QED && return ;;
    4b444d56* | 434f5744*) echo VMDK && return ;;
    7668647866696c65) echo VHDX && return ;;
    636f6e6563746978) echo VHD && return ;;
    504b0304* | 504b0506*) echo zip && return ;;
    377abcaf271c*) echo 7z && return ;;
    526172211a07*) echo rar && return ;;
    04224d18* | 02214c18*) echo lz4 && return ;;
    5d0000*) echo lzma && return ;;
    4c5a4950*) echo lzip && return ;;
    894c5a4f*) echo lzop && return ;;
    1f9d* | 1fa0*) echo compress && return ;;
    3aff26ed*) echo 'an Android sparse image' && return ;;
    7f454c46*) echo 'a program (ELF)' && return ;;
    3037303730*) echo 'an archive (cpio)' && return ;;
    213c617263683e0a) echo 'an archive (ar)' && return ;;
  esac
  case $(hex "$1" 0 16) in
    # "# Disk Desc", a VMDK that is a text; <!doctype and <html, a page instead of a file.
    23204469736b2044657363*) echo VMDK && return ;;
    3c21444f4354595045* | 3c21646f6374797065* | 3c68746d6c* | 3c48544d4c* | 3c3f786d6c*) echo 'a page of text (HTML or XML)' && return ;;
  esac
  [ "$(hex "$1" 64 4)" != 7f10dabe ] || { echo VDI && return; }
  [ "$(hex "$1" 257 5)" != 7573746172 ] || { echo 'an archive (tar)' && return; }
  # An ISO that is made for disks, too, has a boot sector.
  [ "$(hex "$1" 32769 5)" != 4344303031 ] || [ "$(hex "$1" 510 2)" = 55aa ] || { echo 'an ISO for CDs alone' && return; }
  # Brotli has no signature.
  case ${TARGET%%[?#]*} in *.br) echo brotli && return ;; esac
  echo raw
}

# Refuses what is no disk image, by its name of packing_of. $2: what is said of where it was found.
refuse_unless_image() {
  case $1 in
    raw) return 0 ;;
    qcow2 | QED | VMDK | VHDX | VHD | VDI)
      PROBLEM="TargetUnusable: $2 is $1, no raw disk image: convert it (qemu-img convert -O raw)"
      ;;
    gzip | xz | bzip2 | zstd) PROBLEM="TargetUnusable: $2 is packed once more, with $1" ;;
    *) PROBLEM="TargetUnusable: $2 is $1, no disk image (raw, raw packed with gzip, xz, bzip2 or zstd, or qcow2)" ;;
  esac
  return 1
}

# Fills IMAGE_SIZE, or refuses, before a byte is written. An image whose size only unpacking tells is fetched once to measure it, and again to
# write it.
inspect_image() {
  probe_image || return 1
  case $PACKING in
    gzip | xz | bzip2 | zstd | qcow2)
      unpacker_is_there || {
        PROBLEM="TargetUnusable: the target image is $PACKING, which this inspector cannot unpack"
        return 1
      }
      ;;
    *) refuse_unless_image "$PACKING" 'the target image' || return 1 ;;
  esac
  [ "$PACKING" != zstd ] || size_of_zstd || return 1
  [ -n "$IMAGE_SIZE" ] || measure || return 1
  [ "$IMAGE_SIZE" -gt 0 ] || {
    PROBLEM='TargetUnusable: the target image is empty'
    return 1
  }
  [ "$PACKING" != qcow2 ] || read_qcow2
}

# A zstd frame says in its header how large it is unpacked, where its packer knew (RFC 8878, 3.1.1.1): then the image is fetched once. Fills
# IMAGE_SIZE, and refuses what is no image; leaves it empty where the header has no size, or its first bytes cannot be unpacked by themselves.
size_of_zstd() {
  [ "$(hex "$RUN/head" 0 4)" = 28b52ffd ] || return 0
  flags=$((0x$(hex "$RUN/head" 4 1)))
  # A byte for the window unless it is one segment; then the dictionary's id.
  at=$((5 + ((flags >> 5 & 1) ^ 1)))
  case $((flags & 3)) in 1) at=$((at + 1)) ;; 2) at=$((at + 2)) ;; 3) at=$((at + 4)) ;; esac
  base=0
  case $((flags >> 6)) in
    0) [ $((flags & 32)) != 0 ] && length=1 || return 0 ;;
    1) length=2 base=256 ;;
    2) length=4 ;;
    3) length=8 ;;
  esac
  size=$(little_endian "$RUN/head" "$at" "$length")
  unpack <"$RUN/head" 2>/dev/null | head -c "$PROBE_BYTES" >"$RUN/inner"
  [ "$(wc -c <"$RUN/inner")" = "$PROBE_BYTES" ] || return 0
  refuse_unless_image "$(packing_of "$RUN/inner")" 'what the target image unpacks to' || return 1
  IMAGE_SIZE=$((size + base))
}

# little_endian <file> <offset> <bytes>: the number that stands there.
little_endian() {
  digits=
  for byte in $(od -A n -v -t x1 -j "$2" -N "$3" "$1" 2>/dev/null); do digits=$byte$digits; done
  echo $((0x${digits:-0}))
}

measure() {
  say "measures the target image from $(shown "$TARGET") ($PACKING): it is fetched once before it is written"
  stream "$TARGET" measure_image || return 1
  check_digest || return 1
  [ "$PACKING" = qcow2 ] || refuse_unless_image "$(packing_of "$RUN/inner")" 'what the target image unpacks to' || return 1
  IMAGE_SIZE=$(($(wc -c <"$RUN/inner") + $(cat "$RUN/rest")))
  say "the target image has $IMAGE_SIZE bytes"
}

# The image, unpacked: its first bytes into a file, the others are counted.
measure_image() (
  # shellcheck disable=SC3040 # BusyBox has it.
  set -o pipefail
  unpack | {
    dd of="$RUN/inner" bs="$PROBE_BYTES" count=1 iflag=fullblock 2>/dev/null
    wc -c >"$RUN/rest"
  }
)

unpacker_is_there() {
  case $PACKING in
    gzip) command -v gunzip ;;
    bzip2) command -v bunzip2 ;;
    qcow2) command -v qemu-img ;;
    *) command -v "$PACKING" ;;
  esac >/dev/null
}

unpack() {
  case $PACKING in
    raw | qcow2) cat ;;
    gzip) gunzip -c ;;
    xz) xz -d -c ;;
    bzip2) bunzip2 -c ;;
    # A window of up to 2 GiB (zstd --long=31).
    zstd) zstd -d -c -q --long=31 ;;
  esac
}
