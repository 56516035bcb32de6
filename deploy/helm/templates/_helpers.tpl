{{- define "beskar7.name" -}}
{{- if contains "beskar7" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-beskar7" (.Release.Name | trunc 32 | trimSuffix "-") }}{{ end }}
{{- end }}

{{/* Labels of everything. */}}
{{- define "beskar7.labels" -}}
app.kubernetes.io/name: beskar7
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
cluster.x-k8s.io/provider: infrastructure-beskar7
{{- end }}

{{/* What pods are found by; never changes. */}}
{{- define "beskar7.selector" -}}
app.kubernetes.io/name: beskar7
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "beskar7.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "beskar7.temporalAddress" -}}
{{- if .Values.temporal.address }}{{ .Values.temporal.address }}
{{- else if .Values.temporalServer.enabled }}{{ printf "%s-temporal" .Release.Name | trunc 63 | trimSuffix "-" }}.{{ .Release.Namespace }}.svc:7233
{{- else }}{{ required "temporal.address is required: host:port of Temporal's frontend, or temporalServer.enabled=true to try Beskar7 out" .Values.temporal.address }}
{{- end }}
{{- end }}

{{/* The Deployments, as a YAML list of {name, role, spec, pool?}. */}}
{{- define "beskar7.deployments" -}}
{{- if .Values.separateRoles }}
{{- range $role := list "controllers" "worker" "bmc-worker" "api" "webhook" }}
- name: {{ include "beskar7.name" $ }}-{{ $role }}
  role: {{ $role }}
  spec: {{- toYaml (index $.Values.roles $role) | nindent 4 }}
{{- end }}
{{- if .Values.web.enabled }}
- name: {{ include "beskar7.name" $ }}-web
  role: web
  spec: {{- toYaml .Values.roles.web | nindent 4 }}
{{- end }}
{{- else }}
- name: {{ include "beskar7.name" . }}
  role: all
  spec: {{- toYaml .Values.roles.all | nindent 4 }}
{{- end }}
{{- range $pool := .Values.workerPools }}
- name: {{ include "beskar7.name" $ }}-bmc-worker-{{ $pool.name }}
  role: bmc-worker
  pool: {{ $pool.name }}
  managementCIDRs: {{- toYaml ($pool.managementCIDRs | default list) | nindent 4 }}
  spec: {{- toYaml (mergeOverwrite (deepCopy (index $.Values.roles "bmc-worker")) (omit $pool "name" "managementCIDRs")) | nindent 4 }}
{{- end }}
{{- end }}

{{/* The account of a role. Arguments: dict "root" $ "role" "api" */}}
{{- define "beskar7.account" -}}
{{- include "beskar7.name" .root }}{{ if ne .role "all" }}-{{ .role }}{{ end }}
{{- end }}

{{/* The Secret with the webhook's certificate, where the process does not make it. */}}
{{- define "beskar7.webhookCertificate" -}}
{{- if .Values.webhook.certificateSecret }}{{ .Values.webhook.certificateSecret }}
{{- else if .Values.webhook.certManager.enabled }}{{ include "beskar7.name" . }}-webhook-cert-manager
{{- end }}
{{- end }}

{{/* The Secret with the certificate of the callbacks, where the process does not make it. */}}
{{- define "beskar7.callbackCertificate" -}}
{{- with .Values.callback.tls }}
{{- if not .enabled }}
{{- else if .certificateSecret }}{{ .certificateSecret }}
{{- else if .certManager.enabled }}{{ include "beskar7.name" $ }}-callbacks-cert-manager
{{- end }}
{{- end }}
{{- end }}

{{/* How servers reach the callbacks. A variable of clusterctl is taken as it is: the process looks at what it stands for. */}}
{{- define "beskar7.callbackUrl" -}}
{{- $url := required "callback.url is required: how booting servers reach port 8082, for example https://10.0.0.1:8082" .Values.callback.url }}
{{- if and .Values.callback.tls.enabled (not (hasPrefix "https://" $url)) (not (hasPrefix "${" $url)) }}
{{- fail (printf "callback.url is %s, and callbacks are served by HTTPS: begin it with https://, or set callback.tls.enabled=false" $url) }}
{{- end }}
{{- $url }}
{{- end }}

{{/* `from` or `to` of CIDRs; nothing for an empty list, which is anywhere. Arguments: dict "key" "from" "cidrs" list */}}
{{- define "beskar7.peers" -}}
{{- if .cidrs }}
{{ .key }}:
{{- range .cidrs }}
  - ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
