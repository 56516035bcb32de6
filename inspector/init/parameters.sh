# shellcheck shell=sh
# The kernel's command line. `docs/inspector.md` lists the arguments; unknown ones are the kernel's.

CMDLINE=${CMDLINE:-/proc/cmdline}
RUN=${RUN:-/run/beskar7}

# Fills API, NAMESPACE, HOST, TOKEN, TARGET, DIGEST, PROVIDER_ID, CA, CONFIG, DISK, STATIC_IP, BOOT_MAC, MODE, MIN_DISK_GB, CONSOLES, USER_DATA,
# NODE_NAME.
# Nothing of it is exported: a tool that fails and prints its environment has no token in it.
# shellcheck disable=SC2034 # The others read them.
read_parameters() {
  API='' NAMESPACE='' HOST='' TOKEN='' TARGET='' DIGEST='' PROVIDER_ID='' CA='' CONFIG='' DISK='' STATIC_IP='' BOOT_MAC=''
  MODE=Kexec MIN_DISK_GB=0 CONSOLES='' USER_DATA=Auto NODE_NAME=''
  # Values may have * and ? in them.
  set -f
  # shellcheck disable=SC2013 # Words are what is wanted.
  for word in $(cat "$CMDLINE"); do
    read_parameter "$word"
  done
  set +f
  check_parameters || return 1
  [ -n "$NODE_NAME" ] || NODE_NAME=$HOST
  keep_secrets
}

# shellcheck disable=SC2034
read_parameter() {
  value=${1#*=}
  case $1 in
    beskar7.api=*) API=${value%/} ;;
    beskar7.namespace=*) NAMESPACE=$value ;;
    beskar7.host=*) HOST=$value ;;
    beskar7.token=*) TOKEN=$value ;;
    beskar7.target=*) TARGET=$value ;;
    beskar7.target-digest=*) DIGEST=$value ;;
    beskar7.provider-id=*) PROVIDER_ID=$value ;;
    beskar7.ca=*) CA=$value ;;
    beskar7.config=*) CONFIG=$value ;;
    beskar7.mode=*) MODE=$value ;;
    beskar7.min-disk-gb=*) MIN_DISK_GB=$value ;;
    beskar7.disk=*) DISK=$value ;;
    beskar7.ip=*) STATIC_IP=$value ;;
    beskar7.user-data=*) USER_DATA=$value ;;
    beskar7.hostname=*) NODE_NAME=$value ;;
    # 01- is the hardware type (Ethernet); PXELINUX and iPXE write dashes.
    BOOTIF=*) BOOT_MAC=$(printf '%s' "${value#01-}" | tr 'A-F-' 'a-f:') ;;
    console=*) CONSOLES="$CONSOLES${CONSOLES:+ }$1" ;;
  esac
}

check_parameters() {
  for name in API NAMESPACE HOST TOKEN TARGET PROVIDER_ID; do
    eval "[ -n \"\$$name\" ]" && continue
    PROBLEM="the kernel's command line has no beskar7.$(printf '%s' "$name" | tr '[:upper:]_' '[:lower:]-')"
    return 1
  done
  case $API in
    http://* | https://*) ;;
    *) PROBLEM='beskar7.api is no http or https URL' && return 1 ;;
  esac
  case $MODE in
    Kexec | WholeDisk) ;;
    *) PROBLEM='beskar7.mode is neither Kexec nor WholeDisk' && return 1 ;;
  esac
  case $USER_DATA in
    Auto | NoCloud | ConfigDrive | Talos) ;;
    *) PROBLEM='beskar7.user-data is neither Auto, NoCloud, ConfigDrive nor Talos' && return 1 ;;
  esac
  case $MIN_DISK_GB in
    *[!0-9]*) PROBLEM='beskar7.min-disk-gb is no number' && return 1 ;;
  esac
  return 0
}

# The bearer and the CA go into files, so that no program has them among its arguments.
keep_secrets() {
  (
    umask 077
    mkdir -p "$RUN"
    printf 'Authorization: Bearer %s\n' "$TOKEN" >"$RUN/authorization"
    [ -z "$CA" ] || printf '%s' "$CA" | base64 -d >"$RUN/ca.pem" 2>/dev/null
  )
  [ -z "$CA" ] || [ -s "$RUN/ca.pem" ] || {
    PROBLEM='beskar7.ca is no base64'
    return 1
  }
}

# A URL as it may be shown: what stands behind ? may be a signature, what stands before @ a password.
shown() {
  printf '%s' "$1" | sed -e 's/[?#].*//' -e 's,//[^/@]*@,//,'
}
