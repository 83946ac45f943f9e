import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises: one kind for each rule that it ships, and one for the rules that persons make. */
export const alerts = defineAlerts({
  BUS_LAG: {
    severity: "warning",
    meaning: "A service has many events before it that it has not handled yet.",
    toDo: "Look whether its lag shrinks on the status page. Where it does not, start one more instance of it, or look what slows it down.",
    ends: "condition",
  },
  BUS_STUCK: {
    severity: "critical",
    meaning: "An event waits for a service for long.",
    toDo: "Look at the service on the status page and in its log: it is down, slow, or waits for something that is away.",
    ends: "condition",
  },
  DISK_FULL: {
    severity: "critical",
    meaning:
      "The disk that a process works on is nearly full. Where it is full Postgres and Redis take nothing any more.",
    toDo: "Make room: delete what is not needed, or keep events and tasks for a shorter time (R3_LOG_KEEP_DAYS, R3_TASKS_KEEP_DAYS).",
    ends: "condition",
  },
  EVENT_LOOP_SLOW: {
    severity: "warning",
    meaning:
      "A process did nothing else for a second and more, again and again: it answers late, and may lose what it leads.",
    toDo: "Look what else runs on its machine. Give the services to more processes, or to another machine.",
    ends: "condition",
  },
  EXPOSED_DEGRADED: {
    severity: "warning",
    meaning: "A session holds a position or has open orders while it runs with something missing.",
    toDo: "Read what is missing in the text and on the session. Exits go on where its market and its account can be reached; else close the position at the venue.",
    ends: "condition",
  },
  INSTANCE_NOT_READY: {
    severity: "warning",
    meaning: "An instance of a service runs, and takes no work.",
    toDo: "Read what it waits for in the text, and mend that.",
    ends: "condition",
  },
  INSTANCE_SILENT: {
    severity: "warning",
    meaning:
      "An instance of a service has said nothing for a while, and was not stopped in order: it died, hangs, or is cut off.",
    toDo: "Look at its process and its log, and start it again. What it led or owned goes to another instance within seconds where there is one. Where it is gone for good, say so: POST /api/monitoring/services/<service>/forget with a reason.",
    ends: "condition",
  },
  LEADER_FLAPS: {
    severity: "warning",
    meaning: "A role changes hands again and again.",
    toDo: "Look for processes that die, stand still or reach Postgres late; a longer R3_LEASE_MS is more patient.",
    ends: "condition",
  },
  MONITORING_BLIND: {
    severity: "warning",
    meaning: "Monitoring cannot see something that rules are about. Their alerts stay as they are meanwhile.",
    toDo: "Read the reason in the text, and mend it.",
    ends: "condition",
  },
  ORDER_STUCK: {
    severity: "critical",
    meaning:
      "An order or its cancel has been on its way for long: its venue has neither accepted nor refused it, as far as is known.",
    toDo: "Read it under GET /api/order-position-tracker/orders/<id>. It is resolved by itself once the venue answers; it is not sent again while it could still take effect.",
    ends: "condition",
  },
  PROCESS_MEMORY: {
    severity: "warning",
    meaning: "A process needs much memory.",
    toDo: "Compare it with what the machine has. Where it goes on growing, start the process again and report it.",
    ends: "condition",
  },
  QUEUE_LONG: {
    severity: "warning",
    meaning: "Many tasks wait in a queue.",
    toDo: "Start one more instance of the service that works the queue.",
    ends: "condition",
  },
  QUEUE_STUCK: {
    severity: "critical",
    meaning: "A task waits for long.",
    toDo: "Look at the service that has the queue's name on the status page and in its log: it is down, slow, or waits for a venue.",
    ends: "condition",
  },
  REDIS_FULL: {
    severity: "critical",
    meaning:
      "Redis is nearly full. Where it is full it takes nothing any more, and wake-ups and market data stand still.",
    toDo: "Give it more memory (maxmemory), or look what fills it: a service that is far behind holds its streams.",
    ends: "condition",
  },
  RULE_MET: {
    severity: "warning",
    meaning: "A rule that a person has made is met; the scope names it, and its severity is the rule's.",
    toDo: "What the rule says: it stands on the alert.",
    ends: "condition",
  },
  SERVICE_DOWN: {
    severity: "critical",
    meaning: "No instance of a service takes work.",
    toDo: "Start it. Where an instance runs, read what it waits for on the status page. Where the service is gone for good, say so: POST /api/monitoring/services/<service>/forget with a reason.",
    ends: "condition",
  },
  VENUE_CLOCK_OFF: {
    severity: "warning",
    meaning: "The clocks of a machine and of a venue differ by more than half a second.",
    toDo: "Have the machine's clock set by NTP (chrony, systemd-timesyncd), and look whether that runs. Requests are signed by the venue's time as it was measured last, and the venue refuses those that are a second ahead of it or older than recvWindow (R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS).",
    ends: "condition",
  },
  WORK_PARKED: {
    severity: "warning",
    meaning: "Events or tasks of a service fail, and are tried again.",
    toDo: "Read why under GET /api/<service>/dead?state=parked, and mend it before they are given up.",
    ends: "condition",
  },
});
