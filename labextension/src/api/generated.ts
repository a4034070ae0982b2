/* Made from the executor's OpenAPI: `jlpm generate` makes it anew. */

export interface paths {
    "/v1/devices/simulate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Simulate */
        post: operations["V1DevicesSimulateSimulate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Drain */
        post: operations["V1DrainDrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** ListNodes */
        get: operations["V1NodesListNodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/nodes/{node}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** RemoveNode */
        delete: operations["V1NodesRemoveNode"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** ListRuns */
        get: operations["V1RunsListRuns"];
        put?: never;
        /** Submit */
        post: operations["V1RunsSubmit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/runs/{run}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** GetRun */
        get: operations["V1RunsGetRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/runs/{run}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel */
        post: operations["V1RunsCancelCancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/runs/{run}/interrupt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Interrupt */
        post: operations["V1RunsInterruptInterrupt"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/runs/{run}/output": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Output */
        get: operations["V1RunsOutputOutput"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** ListSessions */
        get: operations["V1SessionsListSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** GetSession */
        get: operations["V1SessionsGetSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StopSession */
        post: operations["V1SessionsStopStopSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Status */
        get: operations["V1StatusStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop */
        post: operations["V1StopStop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** ListTokens */
        get: operations["V1TokensListTokens"];
        put?: never;
        /** CreateToken */
        post: operations["V1TokensCreateToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** RevokeToken */
        delete: operations["V1TokensRevokeToken"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Cancel: {
            /** @default 2 */
            grace_s?: number;
            run: string;
            /** @enum {unknown} */
            type: "cancel";
        };
        DeviceView: {
            device: string;
            index: number;
            /** @default null */
            memory_bytes?: number | null;
            model: string;
            node: string;
            /** @default null */
            session?: string | null;
            /** @default false */
            simulated?: boolean;
            /** @default  */
            trouble?: string;
        };
        Down: {
            again_s: number;
            error: components["schemas"]["ErrorInfo"];
            /** @enum {unknown} */
            type: "down";
        };
        Elided: {
            first: number;
            last: number;
            size_bytes: number;
            /** @enum {unknown} */
            type: "elided";
        };
        End: {
            /** @default null */
            execution_count?: number | null;
            /** @enum {unknown} */
            outcome: "cancelled" | "error" | "lost" | "ok" | "refused" | "timed-out";
            /** @default null */
            reason?: components["schemas"]["ErrorInfo"] | null;
            /** @enum {unknown} */
            type: "end";
            /** @default null */
            variables?: components["schemas"]["Variables"] | null;
        };
        ErrorInfo: {
            code: string;
            /** @default {} */
            fields?: Record<string, unknown>;
            message: string;
        };
        ExecutorView: {
            /** @default  */
            data_directory?: string;
            /** @default false */
            draining?: boolean;
            idle_exit_s?: number | null;
            oldest_protocol: number;
            pid?: number | null;
            protocol: number;
            started: number;
            version: string;
        };
        Fleet: {
            /** @default [] */
            nodes?: components["schemas"]["NodeView"][];
            /** @default [] */
            runs?: components["schemas"]["RunView"][];
            /** @default [] */
            sessions?: components["schemas"]["SessionView"][];
            /** @enum {unknown} */
            type: "fleet";
            /** @default  */
            user?: string;
            /** @default false */
            whole?: boolean;
        };
        Follow: {
            /** @default 0 */
            after?: number;
            run: string;
            /** @enum {unknown} */
            type: "follow";
        };
        FromBrowser: components["schemas"]["Follow"] | components["schemas"]["Unfollow"] | components["schemas"]["Interrupt"] | components["schemas"]["Cancel"] | components["schemas"]["Watch"] | components["schemas"]["Unwatch"];
        Grace: {
            /** @default 2 */
            grace_s?: number;
        };
        Heard: {
            tells: string[];
            /** @enum {unknown} */
            type: "heard";
        };
        Interpreter: {
            executable: string;
            version: string;
        };
        Interrupt: {
            run: string;
            /** @enum {unknown} */
            type: "interrupt";
        };
        Message: {
            /** @default [] */
            buffers?: string[];
            content: Record<string, unknown>;
            /** @default {} */
            metadata?: Record<string, unknown>;
            msg_type: string;
            /** @default  */
            parent?: string;
            /** @enum {unknown} */
            type: "message";
        };
        NodeView: {
            /** @default [] */
            devices?: components["schemas"]["DeviceView"][];
            embedded: boolean;
            last_seen: number;
            name: string;
            node: string;
            /** @default [] */
            notes?: string[];
            /** @default  */
            python?: string;
            /** @enum {unknown} */
            state: "connected" | "unknown";
        };
        Refused: {
            error: components["schemas"]["ErrorInfo"];
            run: string | null;
            /** @enum {unknown} */
            type: "refused";
        };
        RunChanged: {
            /** @enum {unknown} */
            type: "changed";
            view: components["schemas"]["RunView"];
        };
        RunRequest: {
            /** @default  */
            cell_id?: string;
            /** @default  */
            cwd?: string;
            expects?: string | null;
            /** @default  */
            gpu?: string;
            /**
             * @default cell
             * @enum {string}
             */
            kind?: "cell" | "comms";
            /** @default  */
            notebook?: string;
            /** @default false */
            once?: boolean;
            payload: string;
            python: components["schemas"]["Interpreter"];
            run: string;
            /** @default 300 */
            scaledown_window_s?: number;
            /** @default  */
            session?: string;
            timeout_s?: number | null;
            /** @default  */
            title?: string;
        };
        RunView: {
            cell_id: string;
            created: number;
            /** @default null */
            ended?: number | null;
            /** @default 0 */
            frames?: number;
            gpu: string;
            notebook: string;
            /** @default null */
            outcome?: ("cancelled" | "error" | "lost" | "ok" | "refused" | "timed-out") | null;
            /** @default  */
            owner?: string;
            /** @default null */
            place?: number | null;
            /** @default null */
            reason?: components["schemas"]["ErrorInfo"] | null;
            run: string;
            session: string;
            /** @default null */
            started?: number | null;
            /** @enum {unknown} */
            state: "ended" | "queued" | "running" | "starting";
            title: string;
            /** @default  */
            why?: string;
            /** @default null */
            worker?: components["schemas"]["WorkerView"] | null;
        };
        SessionView: {
            created: number;
            /** @default null */
            expires?: number | null;
            gpu: string;
            name: string;
            notebook: string;
            /** @default 0 */
            queued?: number;
            /** @default null */
            reason?: components["schemas"]["ErrorInfo"] | null;
            /** @default null */
            running?: string | null;
            session: string;
            /** @enum {unknown} */
            state: "ended" | "ready" | "starting" | "waiting";
            /** @default null */
            variables?: components["schemas"]["Variables"] | null;
            /** @default  */
            why?: string;
            /** @default null */
            worker?: components["schemas"]["WorkerView"] | null;
        };
        ShownFrames: {
            first: number;
            frames: (components["schemas"]["Message"] | components["schemas"]["ShownValue"] | components["schemas"]["ShownPiece"] | components["schemas"]["Elided"] | components["schemas"]["Heard"] | components["schemas"]["End"])[];
            run: string;
            /** @enum {unknown} */
            type: "frames";
        };
        ShownPiece: {
            /** @enum {unknown} */
            type: "piece";
        };
        ShownValue: {
            /** @default null */
            info?: components["schemas"]["ValueInfo"] | null;
            name: string;
            status: string;
            /** @enum {unknown} */
            type: "value";
            /** @default  */
            why?: string;
        };
        Simulate: {
            gpus: string;
        };
        Stopped: {
            /** @default 0 */
            ended?: number;
            /** @default 0 */
            left?: number;
        };
        ToBrowser: components["schemas"]["Up"] | components["schemas"]["Down"] | components["schemas"]["RunChanged"] | components["schemas"]["ShownFrames"] | components["schemas"]["Fleet"] | components["schemas"]["Refused"];
        TokenRequest: {
            expires_s?: number | null;
            node?: string | null;
            /** @default  */
            note?: string;
            /** @enum {string} */
            scope: "user" | "admin" | "agent";
            user: string;
        };
        TokenView: {
            created: number;
            expires?: number | null;
            node?: string | null;
            note: string;
            revoked?: number | null;
            /** @enum {string} */
            scope: "user" | "admin" | "agent";
            secret?: string | null;
            token: string;
            user: string;
        };
        Unfollow: {
            run: string;
            /** @enum {unknown} */
            type: "unfollow";
        };
        Unwatch: {
            /** @enum {unknown} */
            type: "unwatch";
        };
        Up: {
            /** @enum {unknown} */
            type: "up";
            /** @default  */
            where?: string;
        };
        ValueInfo: {
            /** @default null */
            device?: string | null;
            /** @default null */
            dtype?: string | null;
            repr: string;
            /** @default null */
            shape?: number[] | null;
            /** @default null */
            size_bytes?: number | null;
            type: string;
        };
        Variable: {
            name: string;
            /** @default null */
            shape?: number[] | null;
            /** @default null */
            size_bytes?: number | null;
            type: string;
        };
        Variables: {
            /** @default [] */
            listed?: components["schemas"]["Variable"][];
            /** @default 0 */
            more?: number;
        };
        Watch: {
            /** @enum {unknown} */
            type: "watch";
        };
        WorkerView: {
            /** @default [] */
            devices?: components["schemas"]["DeviceView"][];
            /** @default  */
            fallback?: string;
            /** @default  */
            isolation?: string;
            node: string;
            node_name: string;
            /** @default null */
            pid?: number | null;
            /** @default null */
            pid_namespace?: number | null;
            /** @default  */
            started_by?: string;
            worker: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    V1DevicesSimulateSimulate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Simulate"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeviceView"][];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1DrainDrain: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    V1NodesListNodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeView"][];
                };
            };
        };
    };
    V1NodesRemoveNode: {
        parameters: {
            query?: {
                force?: boolean;
            };
            header?: never;
            path: {
                node: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsListRuns: {
        parameters: {
            query?: {
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"][];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsSubmit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsGetRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsCancelCancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Grace"] | null;
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsInterruptInterrupt: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1RunsOutputOutput: {
        parameters: {
            query?: {
                follow?: boolean;
            };
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": unknown;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1SessionsListSessions: {
        parameters: {
            query?: {
                ended?: boolean;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"][];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1SessionsGetSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                session: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1SessionsStopStopSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                session: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Grace"] | null;
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1StatusStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutorView"];
                };
            };
        };
    };
    V1StopStop: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    V1TokensListTokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"][];
                };
            };
        };
    };
    V1TokensCreateToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
    V1TokensRevokeToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        detail: string;
                        extra?: null | {
                            [key: string]: unknown;
                        } | unknown[];
                        status_code: number;
                    };
                };
            };
        };
    };
}
