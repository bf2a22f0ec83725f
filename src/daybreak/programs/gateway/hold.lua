-- Requests wait in here while nothing can answer them. It is told by the variables GATEWAY_STATE (a map's path),
-- GATEWAY_HOLD_S, GATEWAY_RETRY_S, GATEWAY_BACKEND, GATEWAY_DASHBOARD (another backend, empty where there is none) and
-- GATEWAY_PAGE (a file): HAProxy before 2.8 gives a program no arguments.
--
-- The map holds `state`, which is `open` or `hold`, or `page` where a maintenance page answers. Even where it is open a
-- request waits that arrives while HAProxy's own check calls every server of the backend down. That alone counts for
-- the dashboard, whatever the map says. One task looks for all that wait, so that many cost no more than one: each sleeps on a queue of its own until it is told to go, or that its
-- time is over.
--
-- Commands of the runtime socket: `gateway open`, `gateway hold`, `gateway page`, which reads the page anew, and
-- `gateway waiting`. Each prints how many wait, or in words why it cannot be done.

local STATE, BACKEND, DASHBOARD = os.getenv("GATEWAY_STATE"), os.getenv("GATEWAY_BACKEND"), os.getenv("GATEWAY_DASHBOARD")
local HOLD_S, RETRY_S = tonumber(os.getenv("GATEWAY_HOLD_S")), os.getenv("GATEWAY_RETRY_S")
-- Its first line is the content's type, the rest the content. It is read once, when the state becomes `page`.
local PAGE = os.getenv("GATEWAY_PAGE")
-- How often the one task looks while somebody waits, and while nobody does (milliseconds).
local LOOK_MS, IDLE_MS = 10, 100
-- Before HAProxy 2.8 there are no queues: each request looks for itself, seldom.
local OWN_LOOK_MS = 50

local states = Map.new(STATE, Map._str)
-- Those that wait on a queue. Whoever tells one takes it out: of one whose client has left nothing else may ever run.
local held = {}
local looking, last = 0, 0
local page = { kind = "text/plain", content = "" }

local function milliseconds()
  local now = core.now()
  return now.sec * 1000 + now.usec // 1000
end

local function any_up(backend)
  for _, server in pairs(core.backends[backend].servers) do
    local status = server:get_stats()["status"]
    if status:sub(1, 2) == "UP" or status == "no check" then
      return true
    end
  end
  return false
end

local function applications_answer()
  return states:lookup("state") == "open" and any_up(BACKEND)
end

local function dashboard_answers()
  return any_up(DASHBOARD)
end

local function never()
  return false
end

local function paged()
  return states:lookup("state") == "page"
end

-- Waits until `answers`; returns whether the time was over first.
local function wait_on_queue(deadline, answers)
  last = last + 1
  local id, queue = last, core.queue()
  held[id] = { queue = queue, deadline = deadline, answers = answers }
  return queue:pop_wait() == "late"
end

local function wait_by_looking(deadline, answers, given_up)
  local own = answers == applications_answer and 1 or 0
  local late = true
  looking = looking + own
  while late and milliseconds() < deadline do
    core.msleep(OWN_LOOK_MS)
    late = not (answers() or given_up())
  end
  looking = looking - own
  return late
end

local wait = core.queue and wait_on_queue or wait_by_looking

-- How many wait for the applications.
local function count()
  local found = looking
  for _, one in pairs(held) do
    if one.answers == applications_answer then
      found = found + 1
    end
  end
  return found
end

core.register_action("hold", { "http-req" }, function(txn)
  local began = milliseconds()
  if paged() then
    txn:set_var("txn.page", true)
    return
  end
  local late = wait(began + HOLD_S * 1000, applications_answer, paged)
  txn:set_var("txn.held_ms", milliseconds() - began)
  if late then
    txn:set_var("txn.late", true)
  elseif paged() then
    txn:set_var("txn.page", true)
  end
end)

core.register_action("hold_dashboard", { "http-req" }, function(txn)
  if wait(milliseconds() + HOLD_S * 1000, dashboard_answers, never) then
    txn:set_var("txn.late", true)
  end
end)

core.register_service("page", "http", function(applet)
  local answer = page
  applet:set_status(503)
  applet:add_header("content-type", answer.kind)
  applet:add_header("content-length", #answer.content)
  applet:add_header("retry-after", RETRY_S)
  applet:add_header("cache-control", "no-store")
  applet:start_response()
  if applet.method ~= "HEAD" then
    applet:send(answer.content)
  end
end)

-- Returns why it cannot be read.
local function read_page()
  local file, why = io.open(PAGE, "rb")
  if not file then
    return why
  end
  local kind, content = file:read("l"), file:read("a")
  file:close()
  if not kind or not content then
    return PAGE .. " is no page"
  end
  page = { kind = kind, content = content }
end

-- Tells those that wait until `answers`.
local function wake(answers)
  for id, one in pairs(held) do
    if one.answers == answers then
      held[id] = nil
      one.queue:push("go")
    end
  end
end

core.register_task(function()
  while true do
    core.msleep(next(held) and LOOK_MS or IDLE_MS)
    if next(held) then
      local now, open = milliseconds(), {}
      for id, one in pairs(held) do
        if open[one.answers] == nil then
          open[one.answers] = one.answers()
        end
        if open[one.answers] then
          held[id] = nil
          one.queue:push("go")
        elseif now >= one.deadline then
          held[id] = nil
          one.queue:push("late")
        end
      end
    end
  end
end)

for _, state in ipairs({ "open", "hold", "page" }) do
  core.register_cli({ "gateway", state }, "gateway " .. state .. ": set what becomes of requests", function(applet)
    local why = state == "page" and read_page()
    if why then
      applet:send(why .. "\n")
      return
    end
    local waited = count()
    core.set_map(STATE, "state", state)
    if state == "page" or (state == "open" and applications_answer()) then
      wake(applications_answer)
    end
    applet:send(waited .. "\n")
  end)
end

core.register_cli({ "gateway", "waiting" }, "gateway waiting: how many requests wait", function(applet)
  applet:send(count() .. "\n")
end)
