{{- define "interact.natsConfig" -}}
server_name: {{ include "interact.nats" . }}
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: 64MB
max_pending: 256MB
write_deadline: "30s"
{{- if .Values.nats.auth.existingSecret }}
authorization { token: $NATS_TOKEN }
{{- end }}
jetstream {
  store_dir: /data
  max_file_store: {{ .Values.nats.storage.maxFileStore }}
  max_memory_store: {{ .Values.nats.maxMemoryStore }}
}
{{- end -}}
