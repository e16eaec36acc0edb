# The mutants of the policy engine. Each original stands exactly once in its file; when the engine
# changes, so does the mutant.

# Which actions a rule is about.
mutant(evaluate.cpp [[!names || names->find(name) != names->end()]] [[!names || !names->empty()]])
mutant(evaluate.cpp [[holds(conditions.destinations, moved.to.empty() ? kUnnamed : moved.to)]] [[(moved.to.empty() || holds(conditions.destinations, moved.to))]])
mutant(evaluate.cpp [[hour >= conditions.hours->begin]] [[hour > conditions.hours->begin]])
mutant(evaluate.cpp [[hour < conditions.hours->end]] [[hour <= conditions.hours->end]])
mutant(evaluate.cpp [[conditions.hours->end <= conditions.hours->begin]] [[false]])
mutant(evaluate.cpp [[std::chrono::weekday(day).iso_encoding()]] [[std::chrono::weekday(day).c_encoding()]])
mutant(evaluate.cpp [[!conditions.receivers && !conditions.methods]] [[!conditions.receivers || !conditions.methods]])
mutant(evaluate.cpp [[holds(conditions.methods, action.call->method)]] [[true]])
mutant(evaluate.cpp [[holds(conditions.chains, question.facts.chain)]] [[true]])
mutant(evaluate.cpp [[item.deposit && item.amount == Amount()]] [[item.amount == Amount()]])
mutant(evaluate.cpp [[holds_for(conditions, item) && !(pays_nothing && conditions.tokens)]] [[holds_for(conditions, item) && !pays_nothing]])
without(evaluate.cpp [[if (moved.empty()) return false;]])
mutant(evaluate.cpp [[std::all_of(moved.begin(), moved.end(), [&](const Moved& item) {
        const bool sign_of_consent =
            item.deposit && !action.movements.empty() && item.amount <= Amount(1);
        return sign_of_consent || holds_for(conditions, item);
    })]] [[std::any_of(moved.begin(), moved.end(), [&](const Moved& one) {
        return holds_for(conditions, one);
    })]])
mutant(evaluate.cpp [[item.amount <= Amount(1)]] [[true]])

# What a rule that allows must name.
mutant(evaluate.cpp [[!understood && !rule.coverage.not_understood]] [[false]])
mutant(evaluate.cpp [[is_privileged(action.kind) && !named]] [[false]])
mutant(evaluate.cpp [[rule.coverage.opaque_calls || rule.coverage.not_understood || conditions.receivers]] [[rule.coverage.opaque_calls || rule.coverage.not_understood || conditions.receivers || conditions.methods]])
mutant(evaluate.cpp [[blind && !takes_blind]] [[false]])

# The order of the judge.
mutant(evaluate.cpp [[policy_.frozen]] [[false]])
mutant(evaluate.cpp [[facts_.actions.size() > ActionFacts::kActionsMax]] [[facts_.actions.size() >= ActionFacts::kActionsMax]])
mutant(evaluate.cpp [[rule.effect != Effect::Deny || !concerns(rule.conditions, question_)]] [[true]])
mutant(evaluate.cpp [[!hits(rule.conditions, facts_.actions[i])]] [[i > 0 || !hits(rule.conditions, facts_.actions[i])]])
mutant(evaluate.cpp [[rule.effect != Effect::Allow || !concerns(rule.conditions, question_)]] [[rule.effect != Effect::Allow]])
mutant(evaluate.cpp [[!verdict_.covered_by[i].empty()]] [[!verdict_.covered_by[0].empty()]])
mutant(evaluate.cpp [[!facts_.understood]] [[false]])
mutant(evaluate.cpp [[policy_.default_effect == Effect::Allow && !is_privileged(action.kind)]] [[policy_.default_effect == Effect::Allow]])

# Sums and caps.
mutant(evaluate.cpp [[sum.plus(amount)]] [[std::optional<Amount>(std::max(sum, amount))]])
without(evaluate.cpp [[if (!add_action(all, action)) return false;]])
without(evaluate.cpp [[if (!add(all, fee.token, fee.amount)) return false;]])
without(evaluate.cpp [[if (!check_calls(policy_.limits, kPolicyLimits, actions)) return false;]])
without(evaluate.cpp [[if (!check_spend(policy_.limits, kPolicyLimits, all)) return false;]])
without(evaluate.cpp [[if (!check_calls(rule.limits, rule.name, covered_[r])) return false;]])
without(evaluate.cpp [[if (!check_spend(rule.limits, rule.name, rule_sums_[r])) return false;]])
without(evaluate.cpp [[if (found == caps.end()) found = caps.find(kAny);]])
mutant(evaluate.cpp [[action->call->gas <= *limits.gas_per_call]] [[action->call->gas < *limits.gas_per_call]])
mutant(evaluate.cpp [[max == nullptr || fee.amount <= *max]] [[true]])
mutant(evaluate.cpp [[claimed >= *max]] [[claimed > *max]])
mutant(evaluate.cpp [[rule == kPolicyLimits]] [[true]])
mutant(evaluate.cpp [[amount.plus(claimed(window, token))]] [[std::optional<Amount>(amount)]])
mutant(evaluate.cpp [[!used || *used > *max]] [[used && *used > *max]])
mutant(evaluate.cpp [[window == CapWindow::Transaction || amount == Amount()]] [[window == CapWindow::Hour]])
mutant(evaluate.cpp [[terms.excluded_operations.count(action.kind) == 0]] [[terms.excluded_operations.count(action.kind) != 0]])
mutant(evaluate.cpp [[included && terms.required > 0]] [[terms.required > 1 && facts_.actions.size() > 1]])
mutant(evaluate.cpp [[candidate.approvals <= required]] [[required > 0]])
mutant(evaluate.cpp [[mark != nullptr && sum.second > *mark]] [[mark != nullptr && sum.second >= *mark]])
without(evaluate.cpp [[if (!candidate.approvals_above.empty() && !above) continue;]])

# Counters.
mutant(usage.cpp [[start_of(month_of(now))]] [[std::int64_t{0}]])
mutant(usage.cpp [[to_micros(now) / window * window]] [[std::int64_t{0}]])
mutant(usage.cpp [[to_micros(now) / slice * slice]] [[to_micros(now) / window * window]])
without(usage.cpp [[oldest.start_us -= id.window_us;]])
mutant(usage.cpp [[*sum > limit.max]] [[*sum >= limit.max]])
mutant(usage.cpp [[before.plus(amount)]] [[std::optional<Amount>(amount)]])
mutant(usage.cpp [[found == counters_.end() && forgettable]] [[found == counters_.end()]])
mutant(usage.cpp [[*end + std::max(length, kHourMicros) <= to_micros(now)]] [[*end <= to_micros(now)]])
mutant(usage.cpp [[window_us <= kHourMicros ? kMinuteMicros : 15 * kMinuteMicros]] [[kMinuteMicros]])

# Reservations.
mutant(reservation.cpp [[inserted == 0]] [[false]])
mutant(reservation.cpp [[then != now || reservation.state == ReservationState::GivenBack]] [[reservation.state == ReservationState::GivenBack]])
without(reservation.cpp [[return Error::conflict("the reservation was committed", "reservation_committed");]])
without(reservation.cpp [[if (reservation.state == ReservationState::Committed) return {};]])
mutant(reservation.cpp [[charge.counter.metric.ends_with(kRateMetric)]] [[false]])
mutant(reservation.cpp [[charge.counter.metric != fee_metric]] [[true]])
without(reservation.cpp [[if (reservation.state == ReservationState::GivenBack) return {};]])
without(reservation.cpp [[TRY_VOID(usages.at(charge.subject).take_back(charge.counter, charge.amount));]])
without(reservation.cpp [[if (refusal) return refusal;]])

# Approvals.
mutant(approval.cpp [[undecided && now >= out.expires_at]] [[false]])
mutant(approval.cpp [[approver->key->verify(
                   request.statement(vote.approver_id, vote.decision).digest(), vote.signature)]] [[true]])
mutant(approval.cpp [[vote.decision == decision && approver != nullptr]] [[approver != nullptr]])
mutant(approval.cpp [[request.subject != use.subject || request.operation != use.operation]] [[request.operation != use.operation]])
mutant(approval.cpp [[out.subject != request.subject || out.operation != request.operation]] [[out.subject != request.subject]])
mutant(approval.cpp [[!approver->key->verify(statement.digest(), vote.signature)]] [[false]])
mutant(approval.cpp [[approvals < required]] [[approvals < use.required]])
mutant(approval.cpp [[found == terms.approvers.end() || !found->key]] [[found == terms.approvers.end()]])
mutant(approval.cpp [[approver_count(terms) - rejections < request.required]] [[rejections > 0]])
without(approval.cpp [[TRY_VOID(write_state(tx, request.id, ApprovalState::Consumed));]])
without(approval.cpp [[if (voted) return Error::conflict("this approver voted already", "approval_duplicate");]])

# Stored policies and rules of services.
mutant(policy_store.cpp [[found == cache_.end() || found->second.digest != digest]] [[found == cache_.end()]])
mutant(policy_store.cpp [[out.frozen || out.policy->frozen]] [[out.frozen]])
mutant(policy_store.cpp [[change.expected_version && *change.expected_version != head.version]] [[false]])
mutant(policy.cpp [[rule.value && rule.value->conditions != Conditions{}]] [[false]])
mutant(policy.cpp [[operation == Operation::Transfer ? *row.transfer : *row.sign_transaction]] [[*row.transfer]])
