import { z } from "zod";

/** It needs to be told nothing. */
export const dashboardSettings = z.object({});
