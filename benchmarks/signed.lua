-- Sends the requests of a file, one a line: target TAB signature TAB form. Arguments: the file, the first line to send.
local requests, at = {}, 0

function init(arguments)
  local head = "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: TwilioProxy/1.1\r\n" ..
    "Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: %s\r\nContent-Length: %d\r\n\r\n%s"
  for line in io.lines(arguments[1]) do
    local target, signature, form = line:match("^(.-)\t(.-)\t(.*)$")
    requests[#requests + 1] = head:format(target, signature, #form, form)
  end
  at = tonumber(arguments[2])
end

function request()
  at = at + 1
  return requests[(at - 1) % #requests + 1]
end

function done(summary, latency)
  io.write(string.format('\n{"requests": %d, "failed": %d, "seconds": %f, "p50": %f, "p99": %f}\n',
    summary.requests, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
