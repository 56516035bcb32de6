# shellcheck shell=sh
# The digest that the target has to have: `sha256:` or `sha512:` with the digits, the digits of a SHA-256 alone, or the URL of a checksum file.

# A checksum file names the files of one release: far less than this.
MAX_CHECKSUMS=1048576

# Fills ALGORITHM (sha256 or sha512) and DIGEST (its digits in lower case; empty where none was asked for). A checksum file is fetched for it.
resolve_digest() {
  ALGORITHM=sha256
  case $DIGEST in
    http://* | https://*)
      fetch_checksums "$DIGEST" || return 1
      DIGEST=$(checksum_of "$(file_name "$TARGET")" <"$RUN/checksums")
      [ -n "$DIGEST" ] || {
        say_lines "$RUN/checksums" 3
        PROBLEM="TargetDigestMissing: the checksum file has no single SHA-256 or SHA-512 of $(file_name "$TARGET")"
        return 1
      }
      say "the checksum file says ${DIGEST%%:*} of the target image"
      ;;
  esac
  case $DIGEST in
    sha512:*) ALGORITHM=sha512 ;;
  esac
  DIGEST=${DIGEST#"$ALGORITHM":}
}

fetch_checksums() {
  say "fetches the checksums from $(shown "$1")"
  WAIT=${FIRST_WAIT:-5}
  try=1
  while :; do
    # The bound holds for servers that tell no length, too.
    {
      fetch "$1" --max-filesize "$MAX_CHECKSUMS" --max-time 60 2>"$RUN/fetch-error"
      echo $? >"$RUN/fetched"
    } | head -c "$MAX_CHECKSUMS" >"$RUN/checksums"
    fetched=$(cat "$RUN/fetched")
    [ "$fetched" != 0 ] || return 0
    case $fetched in
      23 | 63)
        PROBLEM="TargetDigestMissing: the checksum file of targetOSImageDigest is larger than $MAX_CHECKSUMS bytes"
        return 1
        ;;
    esac
    may_fetch_again || {
      PROBLEM='TargetUnreachable: the checksum file of targetOSImageDigest could not be fetched'
      return 1
    }
  done
}

# The name of the file at a URL, as a checksum file writes it.
file_name() {
  name=${1%%[?#]*}
  # %25 last: it must not make another escape.
  printf '%s' "${name##*/}" | sed -e 's/%2[Bb]/+/g' -e 's/%20/ /g' -e 's/%7[Ee]/~/g' -e 's/%3[Aa]/:/g' -e 's/%40/@/g' -e 's/%25/%/g'
}

# checksum_of <name of a file>: reads a checksum file, and prints the algorithm and the digits of that file; nothing where it does not say them, or
# says several. Lines as sha256sum and sha512sum write them (the file's name, perhaps with a folder or a * before it), those of BSD's tools
# (`SHA256 (name) = digits`), and a file with nothing but one digest. SHA-512 wins; MD5 and SHA-1 are no checksums here.
checksum_of() {
  tr -d '\r' | NAME=$1 awk '
    function note(algorithm, digits) {
      digits = tolower(digits)
      if (found[algorithm] != "" && found[algorithm] != digits) ambiguous = 1
      found[algorithm] = digits
    }
    function kind(digits) {
      if (digits !~ /^[0-9A-Fa-f]+$/) return ""
      return length(digits) == 64 ? "sha256" : length(digits) == 128 ? "sha512" : ""
    }
    function is_meant(name) {
      sub(/^.*\//, "", name)
      return name == ENVIRON["NAME"]
    }
    # Some write a backslash first where the name has one.
    { sub(/^[ \t]+/, ""); sub(/[ \t]+$/, ""); sub(/^\\/, "") }
    /^SHA(256|512) ?\(.*\) ?= ?[0-9A-Fa-f]+$/ {
      digits = $0
      sub(/^.*= ?/, "", digits)
      name = $0
      sub(/^[^(]*\(/, "", name)
      sub(/\) ?= ?[0-9A-Fa-f]+$/, "", name)
      if (kind(digits) != "" && is_meant(name)) note(kind(digits), digits)
      next
    }
    kind($1) != "" {
      if (NF == 1) { alone[kind($1)] = tolower($1); digests += 1; next }
      others += 1
      name = $0
      sub(/^[0-9A-Fa-f]+[ \t]+\*?/, "", name)
      if (is_meant(name)) note(kind($1), $1)
    }
    END {
      if (ambiguous) exit
      if (found["sha512"] == "" && found["sha256"] == "" && digests == 1 && !others)
        for (algorithm in alone) found[algorithm] = alone[algorithm]
      if (found["sha512"] != "") print "sha512:" found["sha512"]
      else if (found["sha256"] != "") print "sha256:" found["sha256"]
    }'
}
