{{- define "catalogue.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: interact
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "catalogue.image" -}}
{{- with .root.Values.image -}}
{{- if hasKey .digests $.name -}}
{{ .prefix }}/{{ $.name }}@{{ get .digests $.name }}
{{- else -}}
{{ .prefix }}/{{ $.name }}:{{ .tag | default $.root.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
