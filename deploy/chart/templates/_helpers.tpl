{{/* The image, by digest where there is one. */}}
{{- define "stateward.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The names are constants of the server, which knows its objects by them: there is one installation in a cluster. */}}
{{- define "stateward.labels" -}}
app.kubernetes.io/name: stateward
{{- end -}}

{{/* Our account, as a binding's subject. */}}
{{- define "stateward.subjects" -}}
- kind: ServiceAccount
  name: stateward
  namespace: {{ .Release.Namespace }}
{{- end -}}
