// The page of an outage loads itself again until the service is back.
"use strict";

setTimeout(() => location.reload(), 5000);
