-- Requests for wrk that differ from those of benches/proxy in methods, targets, headers, bodies and answers.

local requests, nth = {}, 0

local function add(method, path, headers, body)
  requests[#requests + 1] = wrk.format(method, path, headers, body)
end

local function with(headers, more)
  local all = {}
  for name, value in pairs(headers) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

function init()
  for client = 1, 32 do
    local script = {
      ["Host"] = "api.example:8443",
      ["User-Agent"] = "curl/8.5.0",
      ["Accept"] = "*/*",
      ["X-Forwarded-For"] = "198.51.100." .. client,
    }
    local phone = {
      ["Host"] = "shop.example",
      ["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
        .. "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
      ["Accept"] = "image/webp,image/png;q=0.8,*/*;q=0.5",
      ["Accept-Language"] = "de-CH",
      ["Referer"] = "https://shop.example/list?sort=price",
      ["Sec-Fetch-Dest"] = "image",
      ["Sec-Fetch-Mode"] = "no-cors",
      ["Sec-Fetch-Site"] = "same-origin",
      ["If-None-Match"] = '"5f1b-6a2"',
      ["Cookie"] = "lang=de; basket=" .. client .. "; seen=" .. string.rep("a1", 40 + client),
      ["X-Forwarded-For"] = "198.51.100.7, 192.0.2." .. client,
      ["X-Forwarded-Proto"] = "https",
    }
    add("GET", "/files/" .. client % 6 .. ".bin", phone)
    add("GET", "/files/" .. client % 5 .. ".bin?v=" .. client, script)
    -- No HEAD: wrk would wait for a body.
    add("OPTIONS", "/accepted/items", phone)
    add("GET", "/missing/caf%C3%A9/" .. client .. "?q=a+b&empty=", phone)
    add("PUT", "/accepted/items/" .. client, with(script, { ["Content-Type"] = "application/octet-stream" }),
      string.rep("\0\1\2\3", 50 * client))
    add("POST", "/accepted/search", with(phone, { ["Content-Type"] = "text/plain", ["Origin"] = "https://shop.example" }),
      "a search of " .. client)
    add("DELETE", "/accepted/items/" .. client, with(script, { ["Authorization"] = "Bearer " .. string.rep("t", 300) }))
    if client % 8 == 0 then
      add("GET", "/denied/" .. client, script)
      add("GET", "/api/%2egit/config", script)
    end
  end
end

function request()
  nth = nth % #requests + 1
  return requests[nth]
end
