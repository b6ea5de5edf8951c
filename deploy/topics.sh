#!/usr/bin/env bash
# Makes Tapline's topics with the right cleanup policies, through Kafka's own tool.
#
#   topics.sh BOOTSTRAP [PREFIX] [options for kafka-topics.sh, e.g. --command-config client.properties]
#
# Environment: PARTITIONS (default 3), REPLICAS (default: the broker's own),
#              FINDINGS_DAYS (default 90), HEALTH_DAYS (default 30).
set -euo pipefail

bootstrap=${1:?usage: topics.sh BOOTSTRAP [PREFIX] [kafka-topics.sh options]}
prefix=${2:-tapline}
shift $(($# < 2 ? $# : 2))

tool=$(command -v kafka-topics.sh || echo /opt/kafka/bin/kafka-topics.sh)
[ -x "$tool" ] || { echo "topics.sh: kafka-topics.sh is not in PATH; it comes with Apache Kafka" >&2; exit 1; }

day=$((24 * 60 * 60 * 1000))
make_topic() { # NAME CONFIG...
    local name=$prefix.$1 options=() config
    shift
    for config in "$@"; do options+=(--config "$config"); done
    [ -z "${REPLICAS:-}" ] || options+=(--replication-factor "$REPLICAS")
    "$tool" --bootstrap-server "$bootstrap" --create --if-not-exists --topic "$name" \
        --partitions "${PARTITIONS:-3}" "${options[@]}" "${extra[@]}"
}
extra=("$@")

# Every revision of a finding, for a while; of endpoints and principals the last state, for good.
make_topic findings cleanup.policy=delete "retention.ms=$((${FINDINGS_DAYS:-90} * day))"
make_topic inventory cleanup.policy=compact
make_topic agents cleanup.policy=compact
make_topic health cleanup.policy=delete "retention.ms=$((${HEALTH_DAYS:-30} * day))"
