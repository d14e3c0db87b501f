#!/bin/sh
# Makes the certificates of deploy/mosquitto: two authorities, the broker's certificate, one for each device and service.
#
#   certificates.sh new FOLDER [HOST...]        the authorities, and the broker's certificate for these host names
#   certificates.sh device FOLDER NAME [DAYS]   a device; NAME becomes its id in vorab (5 years unless told otherwise)
#   certificates.sh service FOLDER NAME [DAYS]  something of the house: vorab-ingest, vorab-watch
#   certificates.sh revoke FOLDER NAME          take a certificate back; restart the broker afterwards
#
# Keys stay in FOLDER and are readable for their owner only. Move the two ca.key away from the broker's machine.
set -eu
umask 077

# The name becomes a level of a topic and a part of access rules, so it holds nothing that has a meaning there.
NAME_PATTERN='^[a-z0-9][a-z0-9-]{2,63}$'
# Names that would be a topic family of somebody, or one of ours.
RESERVED='^(vorab.*|telemetry|recorded|homeassistant|homie|zigbee2mqtt|shellies|tele|stat|cmnd|tasmota|ingest|admin|root)$'

fail() {
    echo "certificates.sh: $*" >&2
    exit 2
}

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# A newline in a name would pass a pattern that grep matches line by line.
matches() {
    [ "$(printf %s "$1" | tr -d '\n' | wc -c)" = "$(printf %s "$1" | wc -c)" ] && printf '%s\n' "$1" | LC_ALL=C grep -Eq "$2"
}

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

authority() {
    home="$1"
    mkdir -p "$home/issued"
    : >"$home/index.txt"
    echo 1000 >"$home/crlnumber"
    cat >"$home/openssl.cnf" <<CNF
[ca]
default_ca = here
[here]
dir = $home
database = $home/index.txt
new_certs_dir = $home/issued
certificate = $home/ca.crt
private_key = $home/ca.key
crlnumber = $home/crlnumber
rand_serial = yes
default_md = sha256
default_days = 1825
# A list that has expired locks everybody out, so it lives as long as the authority; publish a new one when you revoke.
default_crl_days = 7300
unique_subject = no
policy = name_only
[name_only]
commonName = supplied
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = \${ENV::VORAB_NAMES}
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = nothing
[nothing]
CNF
    key "$home/ca.key"
    VORAB_NAMES=DNS:none openssl req -x509 -new -config "$home/openssl.cnf" -extensions authority -key "$home/ca.key" \
        -subj "/CN=$2" -days 7300 -out "$home/ca.crt"
    crl "$home"
}

crl() {
    VORAB_NAMES=DNS:none openssl ca -config "$1/openssl.cnf" -gencrl -out "$1/crl.pem" 2>/dev/null
}

# authority, extensions, name, days, where to put key and certificate
issue() {
    [ ! -e "$5.key" ] || fail "$5.key is there already; revoke $3 first, or choose another name"
    key "$5.key"
    openssl req -new -config "$1/openssl.cnf" -key "$5.key" -subj "/CN=$3" -out "$5.csr"
    openssl ca -batch -notext -config "$1/openssl.cnf" -extensions "$2" -days "$4" -in "$5.csr" -out "$5.crt" 2>/dev/null
    rm -f "$5.csr"
}

new() {
    [ ! -e "$folder/devices-ca" ] || fail "$folder has authorities already"
    mkdir -p "$folder/devices" "$folder/services"
    folder="$(cd "$folder" && pwd)"
    authority "$folder/devices-ca" "vorab devices"
    authority "$folder/services-ca" "vorab services"
    VORAB_NAMES="DNS:localhost,IP:127.0.0.1"
    for host in "$@"; do
        case "$host" in
        *[!0-9.]*) VORAB_NAMES="$VORAB_NAMES,DNS:$host" ;;
        *) VORAB_NAMES="$VORAB_NAMES,IP:$host" ;;
        esac
    done
    export VORAB_NAMES
    # The services' authority vouches for the broker: devices and services trust that one file.
    issue "$folder/services-ca" server "${1:-localhost}" 1825 "$folder/broker"
}

revoke() {
    for kind in devices services; do
        if [ -e "$folder/$kind/$1.crt" ]; then
            openssl ca -config "$folder/$kind-ca/openssl.cnf" -revoke "$folder/$kind/$1.crt" 2>/dev/null
            crl "$folder/$kind-ca"
            mv "$folder/$kind/$1.crt" "$folder/$kind/$1.crt.revoked"
            mv "$folder/$kind/$1.key" "$folder/$kind/$1.key.revoked"
            return
        fi
    done
    fail "there is no certificate of $1"
}

[ $# -ge 2 ] || usage
task="$1"
folder="$2"
shift 2
export VORAB_NAMES="${VORAB_NAMES:-DNS:none}"
case "$task" in
new) new "$@" ;;
device)
    [ $# -ge 1 ] || usage
    matches "$1" "$NAME_PATTERN" || fail "a device's name is 3 to 64 of a-z, 0-9 and -, and begins with a letter or digit"
    ! matches "$1" "$RESERVED" || fail "$1 is reserved"
    issue "$folder/devices-ca" client "$1" "${2:-1825}" "$folder/devices/$1"
    ;;
service)
    [ $# -ge 1 ] || usage
    matches "$1" '^vorab-[a-z0-9-]{1,50}$' || fail "a service's name begins with vorab-"
    issue "$folder/services-ca" client "$1" "${2:-1825}" "$folder/services/$1"
    ;;
revoke)
    [ $# -eq 1 ] || usage
    matches "$1" "$NAME_PATTERN" || fail "$1 is no name"
    revoke "$1"
    ;;
*) usage ;;
esac
