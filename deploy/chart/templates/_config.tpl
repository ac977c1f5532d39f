{{/* Relay's configuration: the value `config`, and what the chart says itself. */}}
{{- define "relay.config" -}}
{{- $server := dict "listen" (printf "%s:8080" .Values.listenHost) "metrics_listen" (printf "%s:9090" .Values.listenHost) -}}
{{- $own := dict "server" $server "ledger" (dict "kind" "sqlite" "path" "/data/relay.db") -}}
{{- if eq .Values.mode "kafka" -}}
{{- $_ := set $own "ledger" (dict "kind" "kafka" "path" "/data") -}}
{{- end -}}
{{- if .Values.accountsSecret -}}
{{- $_ := set $own "accounts_dir" "/etc/relay/accounts" -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{/* The ports of config.kafka.bootstrap_servers, as JSON. */}}
{{- define "relay.kafkaPorts" -}}
{{- $servers := dig "kafka" "bootstrap_servers" "" (dict "kafka" (default dict .Values.config.kafka)) -}}
{{- $ports := list -}}
{{- range kindIs "string" $servers | ternary (splitList "," (toString $servers)) $servers -}}
{{- with regexFind "[0-9]+\\s*$" . -}}
{{- $ports = append $ports (trim . | int) -}}
{{- end -}}
{{- end -}}
{{- dict "ports" (uniq $ports) | toJson -}}
{{- end -}}
