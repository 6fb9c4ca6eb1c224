// The examples follow each other: "<last note>" and "<last job>" in variables
// stand for the newest note and job that an answer brought.

const last = { '<last note>': null, '<last job>': null };

/** Notes which note and job an answer speaks of. */
export function remember(result) {
  for (const payload of Object.values(result?.data ?? {})) {
    if (payload?.note?.id) last['<last note>'] = payload.note.id;
    const job = payload?.jobs?.[0] ?? payload?.job;
    if (job?.id) last['<last job>'] = job.id;
  }
}

/** Gives the variables with placeholders replaced; throws for one without a value yet. */
export function fill(value) {
  if (typeof value === 'string' && value in last) {
    if (last[value] === null) {
      throw new Error(`${value} stands for something that an earlier tab makes. Run that one first, or put an id here.`);
    }
    return last[value];
  }
  if (Array.isArray(value)) return value.map(fill);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, fill(inner)]));
  }
  return value;
}
