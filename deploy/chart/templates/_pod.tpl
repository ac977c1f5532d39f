{{/* The pod of both modes. `data`: its volume at /data, or none where the StatefulSet makes the claim. */}}
{{- define "relay.pod" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
metadata:
  labels:
    {{- include "relay.selectorLabels" $root | nindent 4 }}
    app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
    {{- with (merge (dict) .podLabels .commonLabels) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "relay.config" $root | sha256sum }}
    {{- with .podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "relay.serviceAccountName" $root }}
  terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
  {{- with .priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if .check.enabled }}
  initContainers:
    - name: check
      {{- include "relay.container" $root | nindent 6 }}
      args:
        - check
        {{- if .check.offline }}
        - --offline
        {{- end }}
  {{- end }}
  containers:
    - name: relay
      {{- include "relay.container" $root | nindent 6 }}
      args: [serve]
      ports:
        - {name: http, containerPort: 8080}
        - {name: metrics, containerPort: 9090}
      startupProbe:
        httpGet: {path: /livez, port: http}
        {{- toYaml .probes.startup | nindent 8 }}
      livenessProbe:
        httpGet: {path: /livez, port: http}
        {{- toYaml .probes.liveness | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml .probes.readiness | nindent 8 }}
      {{- if eq .mode "kafka" }}
      lifecycle:
        preStop:
          exec: {command: [python, -c, "import time; time.sleep({{ .preStopSeconds }})"]}
      {{- end }}
  volumes:
    {{- include "relay.volumes" (dict "root" $root "config" (include "relay.fullname" $root) "data" $.data) | nindent 4 }}
  {{- if eq .mode "kafka" }}
  {{- with .topologySpread }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml . | nindent 6 | trim }}
      labelSelector:
        matchLabels:
          {{- include "relay.selectorLabels" $root | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- end }}
  {{- include "relay.placement" $root | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* What all containers have in common; its last key is the list of mounts. */}}
{{- define "relay.container" -}}
{{- with .Values -}}
image: {{ include "relay.image" $ | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
securityContext:
  {{- toYaml .securityContext | nindent 2 }}
env:
  - {name: RELAY_CONFIG, value: /etc/relay/config/config.yaml}
  {{- with .env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/relay/config, readOnly: true}
  - {name: data, mountPath: /data}
  {{- if .accountsSecret }}
  - {name: accounts, mountPath: /etc/relay/accounts, readOnly: true}
  {{- end }}
  {{- range $index, $secret := .secretFiles }}
  - {name: secret-{{ $index }}, mountPath: /etc/relay/secrets/{{ $secret }}, readOnly: true}
  {{- end }}
  {{- with .extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Where a pod may run, and as whom. */}}
{{- define "relay.placement" -}}
{{- with .Values -}}
automountServiceAccountToken: false
enableServiceLinks: false # their names begin with RELAY_, too
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
{{- with .imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What the container mounts. `config`: the name of the ConfigMap; `data`: as of the pod. */}}
{{- define "relay.volumes" -}}
{{- with .root.Values -}}
- name: config
  configMap: {name: {{ $.config }}}
{{- with $.data }}
{{ toYaml (list .) }}
{{- end }}
{{- if .accountsSecret }}
- name: accounts
  secret: {secretName: {{ .accountsSecret }}, defaultMode: 0440}
{{- end }}
{{- range $index, $secret := .secretFiles }}
- name: secret-{{ $index }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end -}}
