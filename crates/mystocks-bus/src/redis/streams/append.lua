-- KEYS: stream, count, lost; then the idempotency keys and the streams of dead letters, in the order in which entries name them.
-- ARGV: the most entries, 1 when the oldest give way; then for each entry its payload and
--   p                         it is appended
--   o, milliseconds           unless its idempotency key is known, which is the next of KEYS
--   r, dead letter, group     unless its dead letter is gone, which is in the next of KEYS
-- Answers for each entry an id, `=` and the id of before, or `-` when its letter is gone; nothing at all when there is no room for them.
local stream, count, lost, most, is_lossy = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1]), ARGV[2] == '1'

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

-- Returns the names of the groups and the last id that each was given.
local function groups()
  local found = {}
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, last
    for n = 1, #group, 2 do
      if group[n] == 'name' then name = group[n + 1] end
      if group[n] == 'last-delivered-id' then last = group[n + 1] end
    end
    found[#found + 1] = {name, last}
  end
  return found
end

-- Trims what every group has acknowledged; without groups nobody has.
local function trim()
  local keep
  if redis.call('EXISTS', stream) == 0 then return end
  for _, group in ipairs(groups()) do
    local pending = redis.call('XPENDING', stream, group[1])
    local from = pending[1] > 0 and pending[2] or after(group[2])
    if not keep or is_before(from, keep) then keep = from end
  end
  if keep then redis.call('XTRIM', stream, 'MINID', '=', keep) end
end

-- Trims the oldest, and counts for each group what it was not given.
local function cut(excess)
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', excess)
  for _, group in ipairs(groups()) do
    local unread = 0
    for n = #oldest, 1, -1 do
      if not is_before(group[2], oldest[n][1]) then break end
      unread = unread + 1
    end
    if unread > 0 then redis.call('HINCRBY', lost, group[1], unread) end
  end
  redis.call('XTRIM', stream, 'MAXLEN', '=', redis.call('XLEN', stream) - excess)
end

-- How many more there may be before they are cut: all at once would hold up everybody.
local SLACK = 128
-- How many are cut at once, beside as many as were appended.
local MOST = 1000

local entries, seen, news, n, key = {}, {}, 0, 3, 4
while n <= #ARGV do
  local entry = {payload = ARGV[n], kind = ARGV[n + 1]}
  n = n + 2
  if entry.kind ~= 'p' then
    entry.key, entry.argument = KEYS[key], ARGV[n]
    key, n = key + 1, n + 1
    local name = entry.key
    if entry.kind == 'r' then
      entry.group = ARGV[n]
      n = n + 1
      name = name .. ':' .. entry.argument
      if #redis.call('XRANGE', entry.key, entry.argument, entry.argument) == 0 then entry.answer = '-' end
    else
      local before = redis.call('GET', entry.key)
      if before then entry.answer = '=' .. before end
    end
    -- One call may name a key or a dead letter twice.
    entry.twin, seen[name] = seen[name], seen[name] or #entries + 1
  end
  entries[#entries + 1] = entry
  if not entry.answer and not entry.twin then news = news + 1 end
end

if not is_lossy and news > 0 and redis.call('XLEN', stream) + news > most then
  trim()
  if redis.call('XLEN', stream) + news > most then return {} end
end

local number = news > 0 and redis.call('INCRBY', count, news) - news
local answers = {}
for at, entry in ipairs(entries) do
  local answer = entry.answer
  if not answer and entry.twin then
    answer = entry.kind == 'r' and '-' or '=' .. answers[entry.twin]
  elseif not answer then
    number = number + 1
    if entry.kind == 'r' then
      answer = redis.call('XADD', stream, '*', 'n', number, 'p', entry.payload, 'g', entry.group)
      redis.call('XDEL', entry.key, entry.argument)
    else
      answer = redis.call('XADD', stream, '*', 'n', number, 'p', entry.payload)
      if entry.kind == 'o' then redis.call('SET', entry.key, answer, 'PX', entry.argument) end
    end
  end
  answers[at] = answer
end
if is_lossy and news > 0 then
  local excess = redis.call('XLEN', stream) - most
  if excess > math.min(math.floor(most / 100), SLACK) then cut(math.min(excess, MOST + news)) end
end
return answers
