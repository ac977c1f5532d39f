#!/usr/bin/env bash
# Makes the topics that relay in Kafka mode needs, as they must be; those that are there stay as they are. Runs where
# Kafka's own tools are: in its image, or where kafka-topics.sh is on the PATH.
#
#   BOOTSTRAP_SERVERS=kafka-0.example.com:9092 deploy/topics.sh [--command-config client.properties]
set -euo pipefail

: "${BOOTSTRAP_SERVERS:?host:port of a broker}"
partitions=${PARTITIONS:-12} # of intake and ledger alike, as config.ledger.partitions says; never to be changed
replicas=${REPLICAS:-3}      # 1 where there is one broker
in_sync=$((replicas > 1 ? replicas - 1 : 1))

PATH=$PATH:/opt/kafka/bin
week_ms=$((7 * 24 * 3600 * 1000))

make_topic() {
  local name=$1
  shift
  kafka-topics.sh --bootstrap-server "$BOOTSTRAP_SERVERS" ${options[@]+"${options[@]}"} --create --if-not-exists --topic "$name" \
    --partitions "$partitions" --replication-factor "$replicas" --config min.insync.replicas="$in_sync" "$@"
}

options=("$@")
make_topic relay.intake --config cleanup.policy=delete --config retention.ms="$week_ms" \
  --config max.message.bytes=2097152
make_topic relay.intake.dead --config cleanup.policy=delete --config retention.ms="$week_ms" \
  --config max.message.bytes=2097152
make_topic relay.events --config cleanup.policy=delete --config retention.ms="$week_ms" \
  --config max.message.bytes=2097152
make_topic relay.ledger --config cleanup.policy=compact --config segment.ms=600000 \
  --config min.cleanable.dirty.ratio=0.1 --config max.compaction.lag.ms=1800000 \
  --config delete.retention.ms=86400000 --config max.message.bytes=2097152
