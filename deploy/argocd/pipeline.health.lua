-- Health of an interact.science/Pipeline for Argo CD.
-- Progressing until the controller has seen this generation and all is ready; Degraded only when a
-- person has to act; Suspended when the pipeline is; Completed counts as healthy.
local health = { status = "Progressing", message = "Waiting for the controller" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the controller to see generation " .. tostring(obj.metadata.generation)
  return health
end

local by_type = {}
for _, condition in ipairs(status.conditions) do
  by_type[condition.type] = condition
end

local function holds(name)
  return by_type[name] ~= nil and by_type[name].status == "True"
end

local function told(condition)
  if condition.message ~= nil and condition.message ~= "" then
    return condition.reason .. ": " .. condition.message
  end
  return condition.reason
end

if holds("Stalled") then
  health.status = "Degraded"
  health.message = told(by_type["Stalled"])
  return health
end
if status.phase == "Failed" or status.phase == "Degraded" then
  health.status = "Degraded"
  if by_type["Ready"] ~= nil then
    health.message = told(by_type["Ready"])
  else
    health.message = status.phase
  end
  return health
end
if status.phase == "Suspended" then
  health.status = "Suspended"
  health.message = "Suspended: spec.suspend is true"
  return health
end
if by_type["Ready"] ~= nil then
  health.message = told(by_type["Ready"])
  if holds("Ready") and not holds("Reconciling") then
    health.status = "Healthy"
  end
end
return health
