/* Asks a service through openapi-fetch with the types that openapi-typescript made of its document; prints the findings
 * as JSON. Arguments: the address, a token with the scope to write, an organization. tests/node/test_clients.py compiles
 * it together with the generated types, and runs it.
 */
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };
const [address, token, organization] = process.argv.slice(2) as [string, string, string];

type Problem = components["schemas"]["Problem"];
type ErrorAnswer = components["schemas"]["ErrorAnswer"];
const NEW = "00000000-0000-0000-0000-000000000001";
const GONE = "00000000-0000-0000-0000-000000000002";
const client = createClient<paths>({ baseUrl: address, headers: { Authorization: `Bearer ${token}` } });
const stranger = createClient<paths>({ baseUrl: address, headers: { Authorization: "Bearer nonsense" } });

/** The data of an answer; throws the error where it is one. */
function found<T>(answer: { data?: T; error?: ErrorAnswer }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function listed(): Promise<string[]> {
  const answer = await client.GET("/api/conversations", {
    params: {
      query: {
        status: ["active", "closed"],
        "status[nin]": ["active"],
        category: ["Questions", '"Docs, translations"'],
        "created_on[gte]": "2003-05-01",
        "created_on[lt]": "2003-06",
        sort: ["-created_on", "subject"],
        per_page: 100,
      },
    },
  });
  return found(answer).data.items.map((item) => item.uid);
}

async function walked(): Promise<string[]> {
  const uids: string[] = [];
  let cursor: string | null | undefined = "*";
  while (typeof cursor === "string") {
    const query: { cursor: string; per_page: number } = { cursor, per_page: 100 };
    const page: components["schemas"]["PageAnswer"] = found(await client.GET("/api/conversations", { params: { query } }));
    uids.push(...page.data.items.map((item) => item.uid));
    cursor = page.data.pagination.next_cursor;
  }
  return uids;
}

async function exported(): Promise<[string[], number]> {
  const query = { status: ["closed" as const, "draft" as const] };
  const answer = await client.GET("/api/conversations/export", { params: { query }, parseAs: "text" });
  const lines = found(answer).trimEnd().split("\n").map((line) => JSON.parse(line));
  return [lines.slice(0, -1).map((line) => line.uid), lines[lines.length - 1].export.conversations];
}

async function counted(): Promise<Record<string, number>> {
  const { data } = found(await client.GET("/api/conversations/count", { params: { query: { facets: ["status"] } } }));
  const values = data.facets?.status?.values ?? [];
  return { total: data.total, ...Object.fromEntries(values.map(({ value, count }) => [String(value), count])) };
}

async function suggested(): Promise<string[]> {
  const answer = await client.GET("/api/conversations/suggest", { params: { query: { q: "twis" } } });
  return found(answer).data.words.map((word) => word.text);
}

async function written(): Promise<string[]> {
  const now = new Date().toISOString();
  const answer = await client.POST("/api/conversations/bulk", {
    params: { query: { refresh: "wait_for" } },
    body: [
      { uid: NEW, organization_uid: organization, subject: "Written by a client", updated_on: now, status: "active" },
      { uid: GONE, organization_uid: organization, deleted_on: now },
      { uid: "00000000-0000-0000-0000-000000000003", organization_uid: organization },
    ],
  });
  return found(answer).data.items.map((item) => item.outcome);
}

async function read(): Promise<string | null> {
  return found(await client.GET("/api/conversations/{uid}", { params: { path: { uid: NEW } } })).data.subject;
}

async function deleted(): Promise<string | undefined> {
  return found(await client.DELETE("/api/conversations/{uid}", { params: { path: { uid: NEW } } })).data.items[0]?.outcome;
}

async function failures(): Promise<string[]> {
  const answers = [
    await client.GET("/api/conversations", { params: { query: { per_page: 500 } } }),
    await client.GET("/api/conversations", {
      params: { query: { organization_uid: "00000000-0000-0000-0000-000000000009" } },
    }),
    await stranger.GET("/api/conversations"),
    await client.GET("/api/conversations/{uid}", { params: { path: { uid: NEW } } }),
  ];
  return answers.flatMap(({ error }) => {
    if (error === undefined) throw new Error("answered");
    return [error.error.code, ...error.error.details.map((detail: Problem) => detail.parameter)];
  });
}

console.log(
  JSON.stringify({
    listed: await listed(),
    walked: await walked(),
    exported: await exported(),
    counted: await counted(),
    suggested: await suggested(),
    written: await written(),
    read: await read(),
    deleted: await deleted(),
    failures: await failures(),
  }),
);
