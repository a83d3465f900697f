-- What tells an entry from its successor: its head up to the byte `last`, or, where that is the last of all (-1), the SHA-1 of
-- the whole; '' when there is none.
local function sight(entry, last)
  local bytes = redis.pcall('GETRANGE', entry, 0, last)
  -- A key of another type is no entry: it is as if there were nothing.
  if type(bytes) ~= 'string' or bytes == '' then return '' end
  if last == '-1' then return redis.sha1hex(bytes) end
  return bytes
end
