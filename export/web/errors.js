/** What is wrong with a file or a request, in one line for the user. */
export class MscnError extends Error {}
