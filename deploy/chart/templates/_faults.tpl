{{/*
What cannot work together, a sentence each: all of them are told at once, before anything is installed.
*/}}
{{- define "relay.refuse" -}}
{{- $faults := concat
      (include "relay.faults.image" . | fromJsonArray)
      (include "relay.faults.mode" . | fromJsonArray)
      (include "relay.faults.config" . | fromJsonArray)
      (include "relay.faults.secrets" . | fromJsonArray)
      (include "relay.faults.routes" . | fromJsonArray) -}}
{{- if $faults -}}
{{- printf "\n\nThis cannot be installed:\n  * %s\n" (join "\n  * " $faults) | fail -}}
{{- end -}}
{{- end -}}

{{- define "relay.faults.image" -}}
{{- $faults := list -}}
{{- if not .Values.image.repository -}}
{{- $faults = append $faults "image.repository is empty: name the place to which you have pushed the image that `docker build -t relay .` makes." -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}

{{- define "relay.faults.mode" -}}
{{- $faults := list -}}
{{- $kind := dig "kind" "" (default dict .Values.config.ledger) -}}
{{- if eq .Values.mode "embedded" -}}
{{- $replicas := include "relay.replicas" . | int -}}
{{- if ne $replicas 1 -}}
{{- $faults = append $faults (printf "replicas is %d, and in mode embedded the record is one SQLite file, which one process at a time may use: set replicas to 1, or mode to kafka." $replicas) -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- $faults = append $faults "autoscaling.enabled is true, and in mode embedded there is one pod for good, since the record is one SQLite file: set it to false, or mode to kafka." -}}
{{- end -}}
{{- if .Values.migrateFrom -}}
{{- $faults = append $faults "migrateFrom names a record to be moved to Kafka, and mode is embedded: leave it out, or set mode to kafka." -}}
{{- end -}}
{{- if not (has $kind (list "" "sqlite")) -}}
{{- $faults = append $faults (printf "config.ledger.kind is %s and mode is embedded: leave the kind out, since the mode says it, or set mode to kafka." $kind) -}}
{{- end -}}
{{- else -}}
{{- if not (dig "bootstrap_servers" "" (default dict .Values.config.kafka)) -}}
{{- $faults = append $faults "config.kafka.bootstrap_servers is missing, and mode kafka keeps its record there: set it to host:port, or a list of them." -}}
{{- end -}}
{{- if not (has $kind (list "" "kafka")) -}}
{{- $faults = append $faults (printf "config.ledger.kind is %s and mode is kafka: leave the kind out, since the mode says it, or set mode to embedded." $kind) -}}
{{- end -}}
{{- if .Values.storage.existingClaim -}}
{{- $faults = append $faults "storage.existingClaim is for mode embedded; in mode kafka each pod has copies of its own, which may be lost." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- $faults = append $faults "autoscaling.minReplicas is above autoscaling.maxReplicas." -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}

{{- define "relay.faults.config" -}}
{{- $faults := list -}}
{{- $server := default dict .Values.config.server -}}
{{- if not $server.api_keys -}}
{{- $exposed := list "the Service" -}}
{{- if .Values.ingress.enabled }}{{ $exposed = append $exposed "the Ingress" }}{{ end -}}
{{- if .Values.httpRoute.enabled }}{{ $exposed = append $exposed "the HTTPRoute" }}{{ end -}}
{{- $faults = append $faults (printf "config.server.api_keys is empty, so anybody who reaches %s could call relay, which refuses to start like this: name a key, such as {name: orders, key: \"${ORDERS_KEY}\"}." (join " or " $exposed)) -}}
{{- end -}}
{{- if not (or .Values.config.accounts .Values.accountsSecret .Values.config.accounts_dir) -}}
{{- $faults = append $faults "config.accounts is empty, and there is no accountsSecret: name at least one account to watch." -}}
{{- end -}}
{{- if and .Values.accountsSecret .Values.config.accounts_dir -}}
{{- $faults = append $faults "config.accounts_dir is where the chart mounts accountsSecret: leave one of them out." -}}
{{- end -}}
{{- range $section, $keys := dict "server" (list "listen" "metrics_listen") "ledger" (list "path") -}}
{{- range $keys -}}
{{- if hasKey (default dict (get $.Values.config $section)) . -}}
{{- $faults = append $faults (printf "config.%s.%s is said by the chart: leave it out." $section .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}

{{/* Secrets that are written out, and references that nothing answers. */}}
{{- define "relay.faults.secrets" -}}
{{- $faults := list -}}
{{- range include "relay.literals" (dict "path" "config" "value" .Values.config) | fromJsonArray -}}
{{- $faults = append $faults (printf "%s is written out, and the configuration goes into a ConfigMap, which is no place for a secret: write ${NAME} and give NAME in env or envFrom from a Secret, or ${file:…} and name the Secret in secretFiles." .) -}}
{{- end -}}
{{- $text := toJson .Values.config | replace "$${" "" -}}
{{- $given := list "RELAY_CONFIG" "RELAY_DATA" "RELAY_LISTEN" -}}
{{- range .Values.env }}{{ $given = append $given .name }}{{ end -}}
{{- range regexFindAll "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}" $text -1 | uniq -}}
{{- if not (or $.Values.envFrom (has (. | trimPrefix "${" | trimSuffix "}") $given)) -}}
{{- $faults = append $faults (printf "config names %s, which neither env nor envFrom gives." .) -}}
{{- end -}}
{{- end -}}
{{- range regexFindAll "\\$\\{file:/etc/relay/secrets/[^/}]+" $text -1 | uniq -}}
{{- $secret := base . -}}
{{- if not (has $secret $.Values.secretFiles) -}}
{{- $faults = append $faults (printf "config names a file of the Secret %s, which is not in secretFiles." $secret) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}

{{/* The paths of all secrets below `value` that are no references, as JSON. */}}
{{- define "relay.literals" -}}
{{- $secret := list "client_secret" "key" "refresh_token" "sasl_password" "secrets" "token" -}}
{{- $found := list -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- $here := printf "%s.%s" $path $key -}}
{{- if has $key $secret -}}
{{- range (kindIs "slice" $value | ternary $value (list $value)) -}}
{{- if not (contains "${" (toString . | replace "$${" "")) -}}
{{- $found = append $found $here -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $found = concat $found (include "relay.literals" (dict "path" $here "value" $value) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $value := .value -}}
{{- $found = concat $found (include "relay.literals" (dict "path" (printf "%s[%d]" $path $index) "value" $value) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- define "relay.faults.routes" -}}
{{- $faults := list -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- $faults = append $faults "ingress.hosts is empty: name the host under which relay is to be found." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $faults = append $faults "httpRoute.parentRefs is empty: name the Gateway that the route belongs to." -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}
