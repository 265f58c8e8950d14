{{- define "interact.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "interact.controller" -}}{{ include "interact.fullname" . }}-controller{{- end -}}
{{- define "interact.nats" -}}{{ include "interact.fullname" . }}-nats{{- end -}}

{{- define "interact.selector" -}}
app.kubernetes.io/name: interact
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "interact.labels" -}}
{{ include "interact.selector" . }}
app.kubernetes.io/part-of: interact
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "interact.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "interact.controller" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "interact.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.prefix }}/controller@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.prefix }}/controller:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "interact.natsUrl" -}}
{{- default (printf "nats://%s.%s.svc:4222" (include "interact.nats" .) .Release.Namespace) .Values.nats.url -}}
{{- end -}}

{{- /* Pod Security "restricted"; what a container adds, and what its pod does. */ -}}
{{- define "interact.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
{{- define "interact.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* Where NATS keeps streams. What is installed stays as it is: a StatefulSet's claims cannot change.
       Without a cluster to ask (helm template) auto means volume. */ -}}
{{- define "interact.natsStorage" -}}
{{- $type := .Values.nats.storage.type -}}
{{- if ne $type "auto" -}}
{{- $type -}}
{{- else -}}
{{- $installed := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "interact.nats" .) -}}
{{- if $installed -}}
{{- ternary "volume" "emptyDir" (gt (len (default list $installed.spec.volumeClaimTemplates)) 0) -}}
{{- else if or .Values.nats.storage.storageClassName (not (lookup "v1" "Namespace" "" "default")) -}}
volume
{{- else -}}
{{- $found := "emptyDir" -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- if eq (dig "metadata" "annotations" "storageclass.kubernetes.io/is-default-class" "" .) "true" -}}
{{- $found = "volume" -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What the controller may do in the namespaces it watches. */ -}}
{{- define "interact.rules" -}}
- apiGroups: [interact.science]
  resources: [pipelines, interactoperators]
  verbs: [get, list, watch]
- apiGroups: [interact.science]
  resources: [pipelines/status, interactoperators/status, externalruns/status]
  verbs: [get, update, patch]
# Runs are made of messages of pipelines, and deleted when their time after their end is over.
- apiGroups: [interact.science]
  resources: [externalruns]
  verbs: [get, list, watch, create, delete]
# The work of the driver kubernetes-job, and the questions and answers of runs that ask a person.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, create, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
