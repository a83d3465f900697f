-- KEYS: channels, epoch. ARGV: 1 when the names of the channels are asked for, and so many milliseconds after it was registered one counts.
-- Answers what changes when the server loses its data or is another one, its time in milliseconds, and the names.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch = redis.call('GET', KEYS[2])
if not epoch then
  epoch = time[1] .. string.format('%06d', tonumber(time[2]))
  -- A server that takes no writes now is read all the same.
  local set = redis.pcall('SET', KEYS[2], epoch)
  if type(set) ~= 'table' or set.err then epoch = '' end
end
-- A user may not be allowed to ask.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local names = {}
if ARGV[1] == '1' then
  names = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now - tonumber(ARGV[2])), '+inf')
end
return {epoch .. ' ' .. run, now, names}
