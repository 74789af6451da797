#!/bin/sh
# Start the service as the platform asks for it:
#
#   docker run IMAGE         port 8000, /model.tflite, and feedback in /inbox
#   docker run IMAGE serve   Amazon SageMaker: port 8080, and what lies in /opt/ml/model
#   AIP_HTTP_PORT            the port on Vertex AI, which sets AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE, too
#   PORT                     the port on Cloud Run
#
# Those platforms keep no files, so there is no feedback on them without --inbox s3://BUCKET/PREFIX. Options that the
# container is given come last, and win.
set -eu
port=8000 model=/model.tflite feedback='--inbox /inbox'
if [ "${1-}" = serve ]; then
    shift
    port=8080 model=/opt/ml/model feedback=--no-feedback
elif [ -n "${AIP_HTTP_PORT-}${PORT-}" ]; then
    port=${AIP_HTTP_PORT:-$PORT} feedback=--no-feedback
fi
case " $*" in *' --inbox'*) feedback= ;; esac
# shellcheck disable=SC2086  # None, one or two words.
exec pixmill serve --host 0.0.0.0 --port "$port" --model "$model" $feedback "$@"
