-- KEYS: stream, count; then for each entry the key of its idempotency key, or the count again where it has none.
-- ARGV: the most entries; then for each entry payload and milliseconds of its idempotency key (0 without).
-- Answers for each entry an id, `=` and the id of before, or nothing at all from the first on for which there is no room.
local stream, count, most = KEYS[1], KEYS[2], tonumber(ARGV[1])

local function after(id)
  local millis, sequence = string.match(id, '^(%d+)-(%d+)$')
  return millis .. '-' .. string.format('%.0f', tonumber(sequence) + 1)
end

local function is_before(one, other)
  local a, b = string.match(one, '^(%d+)-(%d+)$')
  local c, d = string.match(other, '^(%d+)-(%d+)$')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a < c or a == c and b < d
end

-- Trims what every group has acknowledged; without groups nobody has.
local function trim()
  local keep
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, last
    for n = 1, #group, 2 do
      if group[n] == 'name' then name = group[n + 1] end
      if group[n] == 'last-delivered-id' then last = group[n + 1] end
    end
    local pending = redis.call('XPENDING', stream, name)
    local from = pending[1] > 0 and pending[2] or after(last)
    if not keep or is_before(from, keep) then keep = from end
  end
  if keep then redis.call('XTRIM', stream, 'MINID', '=', keep) end
end

local answers, length = {}, redis.call('XLEN', stream)
for n = 3, #KEYS do
  local payload, window = ARGV[2 * n - 4], tonumber(ARGV[2 * n - 3])
  local before = window > 0 and redis.call('GET', KEYS[n])
  if before then
    answers[#answers + 1] = '=' .. before
  else
    if length >= most then
      trim()
      length = redis.call('XLEN', stream)
      if length >= most then return answers end
    end
    local number = redis.call('INCR', count)
    local id = redis.call('XADD', stream, '*', 'n', number, 'p', payload)
    length = length + 1
    if window > 0 then redis.call('SET', KEYS[n], id, 'PX', window) end
    answers[#answers + 1] = id
  end
end
return answers
