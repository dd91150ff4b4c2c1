import { z } from "zod";

/** A share in [0, 1): of a moving average or of momentum. */
export const fraction = z.number().min(0).lt(1);
