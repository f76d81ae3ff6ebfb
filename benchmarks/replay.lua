-- Sends the requests of a file in turn: one per line, method, path and body, tab separated.
-- A body may hold %d, which becomes a growing number, so that no update repeats the value that is there.
-- Called as: wrk … -s replay.lua URL -- FILE TOKEN

local requests = {}
local place = 0
local count = 0

function init(args)
  local headers = {["authorization"] = "Bearer " .. args[2], ["content-type"] = "application/json"}
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%S+)\t(%S+)\t?(.*)$")
    if body == "" then
      requests[#requests + 1] = {ready = wrk.format(method, path, headers)}
    elseif body:find("%%d") then
      requests[#requests + 1] = {method = method, path = path, body = body, headers = headers}
    else
      requests[#requests + 1] = {ready = wrk.format(method, path, headers, body)}
    end
  end
  count = os.time() % 100000 * 1000
end

function request()
  place = place % #requests + 1
  local one = requests[place]
  if one.ready then
    return one.ready
  end
  count = count + 1
  return wrk.format(one.method, one.path, one.headers, string.format(one.body, count))
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"statuses":%d,"sockets":%d,"timeouts":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
