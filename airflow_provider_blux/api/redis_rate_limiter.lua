-- A rate limiter that several tasks share; rate_limiter.py explains the rules. Times are microseconds of Redis's own
-- clock, so that the clocks of the workers do not matter.
--
-- KEYS[1]  hash: next (earliest time for the next reservation), paused_until (reservations before this time are void),
--          and the state that 429s change: headroom, headroom_at, speed, speed_at, episode_at, episode_speed,
--          episode_429s, spaced_until
-- KEYS[2]  sorted set: the names of the latest requests, each with the time when it was sent
-- ARGV[1]  the function to call: slot, left, pause or throttled
-- ARGV[2]  JSON: the arguments of the function, and the constants of the limiter (times in seconds)

local state, starts = KEYS[1], KEYS[2]
local given = cjson.decode(ARGV[2])
local SECOND = 1000000
local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]

local function whole(number)
  return string.format('%.0f', number)
end

local function get(name, otherwise)
  return tonumber(redis.call('HGET', state, name) or otherwise)
end

local function seconds_since(name)
  return (now - get(name, 0)) / SECOND
end

local function headroom()
  local forgotten = seconds_since('headroom_at') * given.more_headroom / given.forget_seconds
  return math.max(given.headroom, get('headroom', 0) - forgotten)
end

local function speed()
  return math.min(1, get('speed', 1) + seconds_since('speed_at') * given.recovery)
end

local function keep(seconds)
  local milliseconds = whole((seconds + given.keep_seconds) * 1000)
  redis.call('PEXPIRE', state, milliseconds)
  redis.call('PEXPIRE', starts, milliseconds)
end

local function hold(seconds)
  local ends = math.max(get('paused_until', 0), now + seconds * SECOND)
  redis.call('HSET', state, 'paused_until', whole(ends), 'next', whole(math.max(get('next', 0), ends)))
end

-- Reserves a time for one request, and returns it. The next reservation is one interval later.
local function reserve()
  local due = get('next', 0)
  if now - due > given.slack * SECOND then
    due = now
  end
  redis.call('HSET', state, 'next', whole(due + (1 + headroom()) / (given.rate * speed()) * SECOND))
  return due
end

-- The time when the n-th request was sent, counted back from the latest; nil if there are fewer than n.
local function left_at(n)
  local entry = redis.call('ZREVRANGE', starts, n - 1, n - 1, 'WITHSCORES')
  return tonumber(entry[2])
end

-- The earliest time at which one more request keeps the limit of requests in a second and, while "spaced_until" is in
-- the future, the minimum interval to the previous request.
local function room_at()
  redis.call('ZREMRANGEBYSCORE', starts, '-inf', whole(now - 2 * SECOND))
  redis.call('ZREMRANGEBYSCORE', starts, whole(now + SECOND), '+inf') -- left from before the clock was set back
  local oldest, latest, at = left_at(given.limit), left_at(1), 0
  if oldest then
    at = oldest + (1 + given.counted_headroom * headroom()) * SECOND
  end
  if latest and now < get('spaced_until', 0) then
    at = math.max(at, latest + (1 + headroom() - given.headroom) / given.rate * SECOND)
  end
  return at
end

local function note_start()
  if given.is_counted then
    redis.call('ZADD', starts, whole(now), given.name)
  end
end

local asked = {}

-- Returns the microseconds to wait (0: the slot is granted), and the reservation, which the next call passes as "due".
function asked.slot()
  if redis.call('HEXISTS', state, 'paused_until') == 0 then
    -- There is no state. If Redis has lost it, the requests of the last second are unknown, so nothing is sent for a
    -- second.
    hold(given.has_started and 1 or 0)
  end
  if given.held > 0 then
    hold(given.held)
  end
  local due = tonumber(given.due)
  if due < get('paused_until', 0) then
    due = reserve()
  end
  local allowed_at = math.max(due, given.is_counted and room_at() or 0)
  if allowed_at <= now then
    note_start()
  end
  return {whole(math.max(0, allowed_at - now)), whole(due)}
end

function asked.left()
  note_start()
end

function asked.pause()
  hold(given.seconds)
end

function asked.throttled()
  if seconds_since('episode_at') >= given.episode then
    local more = math.min(given.most_headroom, headroom() + given.more_headroom)
    redis.call('HSET', state, 'headroom', more, 'headroom_at', whole(now))
    redis.call('HSET', state, 'episode_at', whole(now), 'episode_speed', speed(), 'episode_429s', 0)
  end
  local refused, speed_before = redis.call('HINCRBY', state, 'episode_429s', 1), get('episode_speed', 1)
  local share = refused / (given.rate * speed_before * given.episode)
  if share > given.spaced_share then
    redis.call('HSET', state, 'spaced_until', whole(now + given.spaced_seconds * SECOND))
  end
  if given.seconds then
    hold(given.seconds)
  else
    local slower = speed_before * (1 - math.min(share, given.most_slowdown))
    redis.call('HSET', state, 'speed', slower, 'speed_at', whole(now))
  end
end

local answer = asked[ARGV[1]]()
keep(given.seconds or 0)
return answer
