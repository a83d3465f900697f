-- KEYS: channels, epoch. ARGV: 1 when the names of the channels are asked for.
-- Answers what changes when the server loses its data or is another one, its time in milliseconds, and the names.
local time = redis.call('TIME')
redis.call('SET', KEYS[2], time[1] .. string.format('%06d', tonumber(time[2])), 'NX')
-- A user may not be allowed to ask.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local names = ARGV[1] == '1' and redis.call('ZRANGE', KEYS[1], 0, -1) or {}
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return {redis.call('GET', KEYS[2]) .. ' ' .. run, now, names}
